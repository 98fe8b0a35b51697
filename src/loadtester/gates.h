#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "base/result.h"

namespace serin::loadtester {

/// Which gates are open; all others are closed. With a file (-gate-store) a restart does not close them.
class Gates {
 public:
  /// In memory only.
  Gates() = default;
  /// Reads the file if there is one, and makes sure that it can be written. Errors (invalid) name the file
  /// and the remedy.
  static base::Result<Gates> load(std::filesystem::path file);

  [[nodiscard]] bool is_open(const std::string& key) const { return open_.contains(key); }
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  /// Opens or closes a gate. When it can't be stored it stays as it was; errors (unavailable) name the file.
  base::Result<void> set(const std::string& key, bool open);

 private:
  [[nodiscard]] base::Result<void> store() const;

  std::filesystem::path file_;  ///< empty: nothing is stored
  std::set<std::string> open_;
};

}  // namespace serin::loadtester
