#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace serin::local {

/// "ghcr.io/stefanprodan/podinfo:6.0.1" in its parts.
struct ImageName {
  std::string repository;  ///< without tag and digest, and without docker.io/ and library/
  std::string tag;         ///< "latest" if none is named

  static ImageName parse(std::string_view image);
};

/// What stands in for a container image.
struct Image {
  std::string folder;                   ///< working directory, first in PATH; empty: "/" and the host's PATH
  std::vector<std::string> entrypoint;  ///< what runs without a command
  std::map<std::string, std::string> env;
};

/// Which programs of this machine stand in for which images: the demo workload's are built in, the user's
/// own come from a file:
///
///   images:
///     - {name: docker.io/me/app, path: /opt/app/bin, entrypoint: ["./app"], env: {MODE: test}}
///     - {name: python, host: true}
class ImageTable {
 public:
  /// Without a folder to make links in, nothing is built in. `program` is the serin binary, which acts by the
  /// name it is called by; every built-in image is a folder of such links below `folder`.
  ImageTable() = default;
  static base::Result<ImageTable> make(std::string program, std::string folder);

  /// Adds the entries of such a file; they go before those that are there. Errors name entry and field.
  base::Result<void> add(std::string_view yaml);
  /// not_found: says how to add the image to the table.
  [[nodiscard]] base::Result<Image> find(std::string_view image) const;

 private:
  struct Entry {
    std::string name;
    bool any_registry = false;  ///< the name is the last part of the repository
    Image image;
  };
  std::vector<Entry> entries_;
};

}  // namespace serin::local
