#include "local/node/images.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/json.h"
#include "base/yaml.h"

namespace serin::local {

namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

struct Builtin {
  std::string_view image;
  std::string_view entrypoint;
  std::vector<std::string_view> programs;
};

const std::vector<Builtin>& builtins() {
  static const std::vector<Builtin> all = {
      {"podinfo", "./podinfo", {"podinfo", "podcli"}},
      {"flagger-loadtester", "./loadtester", {"loadtester"}},
      {"loadtester", "./loadtester", {"loadtester"}},
  };
  return all;
}

std::string without_prefix(std::string text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

Result<void> link(const fs::path& folder, std::string_view name, const std::string& program) {
  std::error_code error;
  fs::create_directories(folder, error);
  fs::remove(folder / name, error);
  fs::create_symlink(program, folder / name, error);
  if (error) {
    return fail(Errc::internal,
                fmt::format("cannot make the link {}: {}", (folder / name).native(), error.message()));
  }
  return {};
}

}  // namespace

ImageName ImageName::parse(std::string_view image) {
  image = image.substr(0, image.find('@'));
  const std::size_t colon = image.rfind(':');
  const std::size_t slash = image.rfind('/');
  // A colon before the last slash belongs to the registry's port.
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  std::string repository(tagged ? image.substr(0, colon) : image);
  repository = without_prefix(std::move(repository), "docker.io/");
  repository = without_prefix(std::move(repository), "library/");
  return {std::move(repository), tagged ? std::string(image.substr(colon + 1)) : "latest"};
}

Result<ImageTable> ImageTable::make(std::string program, std::string folder) {
  ImageTable table;
  for (const Builtin& builtin : builtins()) {
    const fs::path own = fs::path(folder) / builtin.image;
    for (const std::string_view name : builtin.programs) {
      if (const Result<void> made = link(own, name, program); !made) return fail(made.error());
    }
    table.entries_.push_back(
        {std::string(builtin.image), true, {own, {std::string(builtin.entrypoint)}, {}}});
  }
  table.entries_.push_back({"host", true, {}});
  return table;
}

Result<void> ImageTable::add(std::string_view yaml) {
  const Result<std::vector<Json>> documents = base::parse_yaml(yaml);
  if (!documents) return fail(documents.error());
  std::vector<Entry> added;
  for (const Json& document : *documents) {
    for (const Json& item : document["images"].items()) {
      Entry entry{ImageName::parse(item["name"].str()).repository, false, {}};
      if (entry.name.empty()) return fail(Errc::invalid, "images: an entry has no name");
      entry.image.folder = item["path"].str();
      if (!item["host"].bool_or(false)) {
        if (!fs::path(entry.image.folder).is_absolute() || !fs::is_directory(entry.image.folder)) {
          return fail(Errc::invalid, fmt::format("images: {}: path \"{}\" is no absolute path of a folder",
                                                 entry.name, entry.image.folder));
        }
      }
      for (const Json& word : item["entrypoint"].items()) entry.image.entrypoint.push_back(word.str());
      for (const auto& [key, value] : item["env"].members()) {
        entry.image.env[key] = value.is_string() ? value.str() : value.dump();
      }
      added.push_back(std::move(entry));
    }
  }
  entries_.insert(entries_.begin(), added.begin(), added.end());
  return {};
}

Result<Image> ImageTable::find(std::string_view image) const {
  const ImageName name = ImageName::parse(image);
  const std::size_t slash = name.repository.rfind('/');
  const std::string last = slash == std::string::npos ? name.repository : name.repository.substr(slash + 1);
  for (const Entry& entry : entries_) {
    if (entry.name != (entry.any_registry ? last : name.repository)) continue;
    Image found = entry.image;
    found.env["SERIN_IMAGE_TAG"] = name.tag;
    return found;
  }
  return fail(Errc::not_found,
              fmt::format("no program stands in for image \"{}\": name one in the file given with --images, "
                          "e.g. images: [{{name: \"{}\", path: /opt/app, entrypoint: [\"./app\"]}}]",
                          image, name.repository));
}

}  // namespace serin::local
