#include "local/node/volumes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "local/node/fd.h"

namespace serin::local {

namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

base::Error file_error(std::string_view what, const std::error_code& error) {
  return errno_error(what, error.value());
}

/// Paths come from users: they must stay inside the volume.
bool stays_inside(const std::string& path) {
  const fs::path normal = fs::path(path).lexically_normal();
  return !path.empty() && normal.is_relative() && *normal.begin() != "..";
}

Result<void> add_object(VolumeFiles& files, const Json& pod, const Json& source, std::string_view kind,
                        const FindObject& find, int default_mode) {
  // A secret volume says secretName; everything else says name.
  const std::string& name = source.contains("secretName") ? source["secretName"].str() : source["name"].str();
  const bool optional = source["optional"].bool_or(false);
  const Json* const object = find(kind, pod.get("metadata", "namespace").str(), name);
  if (!object) {
    if (optional) return {};
    return fail(Errc::not_found,
                fmt::format("{} \"{}\" not found", kind == "Secret" ? "secret" : "configmap", name));
  }
  if (!source.contains("items")) {
    for (const std::string_view part : {"data", "binaryData"}) {
      for (const auto& [key, value] : (*object)[part].members()) {
        files[key] = {data_of(*object, key).value_or(""), default_mode};
      }
    }
    return {};
  }
  for (const Json& item : source["items"].items()) {
    std::optional<std::string> content = data_of(*object, item["key"].str());
    if (!content && optional) continue;
    if (!content) {
      return fail(Errc::not_found, fmt::format("references non-existent {} key: {}",
                                               kind == "Secret" ? "secret" : "config", item["key"].str()));
    }
    files[item["path"].str()] = {std::move(*content), static_cast<int>(item["mode"].int_or(default_mode))};
  }
  return {};
}

Result<void> add_fields(VolumeFiles& files, const Json& pod, const Json& source, int default_mode) {
  for (const Json& item : source["items"].items()) {
    const Result<std::string> field = field_of(pod, item.get("fieldRef", "fieldPath").str());
    if (!field) return fail(field.error());
    files[item["path"].str()] = {*field, static_cast<int>(item["mode"].int_or(default_mode))};
  }
  return {};
}

/// One source of a projected volume, or the volume itself: the members have the same names.
Result<void> add_source(VolumeFiles& files, const Json& pod, const Json& source, const FindObject& find,
                        int mode) {
  if (source.contains("configMap")) {
    return add_object(files, pod, source["configMap"], "ConfigMap", find, mode);
  }
  if (source.contains("secret")) return add_object(files, pod, source["secret"], "Secret", find, mode);
  if (source.contains("downwardAPI")) return add_fields(files, pod, source["downwardAPI"], mode);
  if (source.contains("serviceAccountToken")) {
    // The embedded API server gives out no tokens for pods; the file is there for those who only open it.
    files[source.get("serviceAccountToken", "path").str()] = {"", 0600};
    return {};
  }
  return fail(Errc::invalid, "a projected source of this kind is not supported");
}

Result<void> write_file(const fs::path& path, const VolumeFile& file) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << file.content;
  out.close();
  if (!out || ::chmod(path.c_str(), static_cast<mode_t>(file.mode)) != 0) {
    return fail_errno("cannot write " + path.native());
  }
  return {};
}

bool has_exactly(const fs::path& folder, const VolumeFiles& files) {
  std::error_code error;
  std::size_t found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    const auto wanted = files.find(entry.path().lexically_relative(folder));
    if (wanted == files.end()) return false;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (content != wanted->second.content) return false;
    ++found;
  }
  return !error && found == files.size();
}

/// The name of the next folder for `..data`: other than the present one's.
std::string next_name(const fs::path& link) {
  std::error_code error;
  const std::string now = fs::read_symlink(link, error);
  return now == "..a" ? "..b" : "..a";
}

/// The names at the top that users see are links through `..data`.
Result<void> link_names(const fs::path& folder, const VolumeFiles& files) {
  std::error_code error;
  std::map<std::string, bool> wanted;
  for (const auto& [path, file] : files) wanted[*fs::path(path).begin()] = true;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("..") && !wanted.contains(name)) fs::remove(entry.path(), error);
  }
  for (const auto& [name, unused] : wanted) {
    if (fs::is_symlink(folder / name, error)) continue;
    fs::create_symlink(fs::path("..data") / name, folder / name, error);
    if (error) return fail(file_error("cannot make " + (folder / name).native(), error));
  }
  return {};
}

}  // namespace

bool is_made_of_objects(const Json& volume) {
  return volume.contains("configMap") || volume.contains("secret") || volume.contains("projected") ||
         volume.contains("downwardAPI");
}

Result<VolumeFiles> volume_files(const Json& pod, const Json& volume, const FindObject& find) {
  VolumeFiles files;
  const bool projected = volume.contains("projected");
  const Json::Array single{volume};
  for (const Json& source : projected ? volume.get("projected", "sources").items() : single) {
    int mode = 0644;
    for (const char* kind : {"projected", "configMap", "secret", "downwardAPI"}) {
      mode = static_cast<int>(volume.get(kind, "defaultMode").int_or(mode));
    }
    if (const Result<void> added = add_source(files, pod, source, find, mode); !added) {
      return fail(added.error());
    }
  }
  for (const auto& [path, file] : files) {
    if (!stays_inside(path)) return fail(Errc::invalid, "path \"" + path + "\" leads out of the volume");
  }
  return files;
}

Result<void> write_volume(const std::string& folder, const VolumeFiles& files) {
  const fs::path root = folder, link = root / "..data";
  std::error_code error;
  if (fs::exists(link, error) && has_exactly(link, files)) return {};
  const fs::path next = root / next_name(link);
  fs::remove_all(next, error);
  fs::create_directories(next, error);
  if (error) return fail(file_error("cannot make " + next.native(), error));
  for (const auto& [path, file] : files) {
    if (const Result<void> written = write_file(next / path, file); !written) return written;
  }
  const fs::path new_link = root / "..data_new";
  fs::remove(new_link, error);
  fs::create_symlink(next.filename(), new_link, error);
  if (!error) fs::rename(new_link, link, error);
  if (error) return fail(file_error("cannot make " + link.native(), error));
  return link_names(root, files);
}

Result<void> make_volumes(const Json& pod, const std::string& folder, const FindObject& find) {
  for (const Json& volume : pod.get("spec", "volumes").items()) {
    const std::string& name = volume["name"].str();
    const std::string own = folder + "/" + name;
    Result<void> made;
    if (is_made_of_objects(volume)) {
      const Result<VolumeFiles> files = volume_files(pod, volume, find);
      made = files ? write_volume(own, *files) : fail(files.error());
    } else if (volume.contains("emptyDir")) {
      std::error_code error;
      fs::create_directories(own, error);
      if (error) made = fail(file_error("cannot make " + own, error));
      ::chmod(own.c_str(), 0777);
    } else if (volume.contains("hostPath")) {
      const std::string& path = volume.get("hostPath", "path").str();
      std::error_code error;
      if (volume.get("hostPath", "type").str().ends_with("OrCreate")) fs::create_directories(path, error);
      if (!fs::exists(path, error)) made = fail(Errc::not_found, path + " does not exist on this host");
    } else {
      made = fail(Errc::invalid,
                  "only configMap, secret, projected, downwardAPI, emptyDir and hostPath work "
                  "on this node");
    }
    if (!made) {
      return fail(made.error().within(fmt::format("MountVolume.SetUp failed for volume \"{}\"", name)));
    }
  }
  return {};
}

Result<std::vector<BindMount>> container_mounts(const Json& pod, const Json& container,
                                                const std::string& folder, const Variables& variables) {
  std::vector<BindMount> mounts;
  for (const Json& mount : container["volumeMounts"].items()) {
    const std::string& name = mount["name"].str();
    fs::path source = folder + "/" + name;
    bool read_only = mount["readOnly"].bool_or(false);
    for (const Json& volume : pod.get("spec", "volumes").items()) {
      if (volume["name"].str() != name) continue;
      if (volume.contains("hostPath")) source = volume.get("hostPath", "path").str();
      read_only |= is_made_of_objects(volume);
    }
    std::string below = mount["subPath"].str();
    if (mount.contains("subPathExpr")) below = expand(mount["subPathExpr"].str(), variables);
    if (!below.empty()) {
      if (!stays_inside(below))
        return fail(Errc::invalid, "subPath \"" + below + "\" leads out of the volume");
      std::error_code error;
      if (!fs::exists(source / below, error)) fs::create_directories(source / below, error);
      source = fs::canonical(source / below, error);
      if (error) return fail(file_error("subPath " + below, error));
    }
    mounts.push_back({source, mount["mountPath"].str(), read_only});
  }
  return mounts;
}

}  // namespace serin::local
