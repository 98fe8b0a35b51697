#include "loadtester/gates.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "base/json.h"

namespace serin::loadtester {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

Result<void> fail_errno(const std::filesystem::path& file) {
  return fail(Errc::unavailable,
              fmt::format("gate store {} can't be written: {}", file.string(), strerrordesc_np(errno)));
}

/// Writes so that a crash leaves either the old text or the new one.
Result<void> write_whole(const std::filesystem::path& file, const std::string& text) {
  const std::string draft = file.string() + ".new";
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(file);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool synced = written && ::fsync(fd) == 0;
  Result<void> result = synced ? Result<void>() : fail_errno(file);
  ::close(fd);
  if (result && ::rename(draft.c_str(), file.c_str()) != 0) result = fail_errno(file);
  return result;
}

}  // namespace

Result<Gates> Gates::load(std::filesystem::path file) {
  Gates gates;
  gates.file_ = std::move(file);
  std::ifstream stream(gates.file_);
  if (stream) {
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const Result<Json> json = Json::parse(text);
    if (!json || !(*json)["open"].is_array()) {
      return fail(Errc::invalid, fmt::format("gate store {} holds something else than gates; remove it to "
                                             "start with all gates closed",
                                             gates.file_.string()));
    }
    for (const Json& key : (*json)["open"].items()) gates.open_.insert(key.str());
  } else if (std::filesystem::exists(gates.file_)) {
    return fail(Errc::invalid, fmt::format("gate store {} can't be read", gates.file_.string()));
  }
  if (Result<void> stored = gates.store(); !stored) return fail(Errc::invalid, stored.error().message);
  return gates;
}

Result<void> Gates::set(const std::string& key, bool open) {
  if (is_open(key) == open) return {};
  if (open)
    open_.insert(key);
  else
    open_.erase(key);
  Result<void> stored = store();
  if (stored) return {};
  if (open)
    open_.erase(key);
  else
    open_.insert(key);
  return stored;
}

Result<void> Gates::store() const {
  if (file_.empty()) return {};
  Json keys = Json::array();
  for (const std::string& key : open_) keys.push_back(key);
  return write_whole(file_, Json::object({{"open", std::move(keys)}}).dump() + "\n");
}

}  // namespace serin::loadtester
