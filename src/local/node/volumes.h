#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "local/node/environment.h"
#include "local/node/mounts.h"

namespace serin::local {

/// A file of a volume made from objects.
struct VolumeFile {
  std::string content;
  int mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};
/// Files by their path in the volume.
using VolumeFiles = std::map<std::string, VolumeFile>;

/// Whether a volume's files come from objects (configMap, secret, projected, downwardAPI), and so change with
/// them; else it is a folder (emptyDir, hostPath).
bool is_made_of_objects(const base::Json& volume);

/// The files of such a volume. Errors carry the kubelet's text (`configmap "x" not found`).
base::Result<VolumeFiles> volume_files(const base::Json& pod, const base::Json& volume,
                                       const FindObject& find);

/// Makes `folder` show exactly these files, all at once: they are written to a new folder beside, to which
/// the link `..data` then changes. Does nothing if they are there already.
base::Result<void> write_volume(const std::string& folder, const VolumeFiles& files);

/// Makes every volume of a pod below `folder`. Errors name the volume.
base::Result<void> make_volumes(const base::Json& pod, const std::string& folder, const FindObject& find);

/// What a container mounts from the volumes below `folder`. Errors name the mount.
base::Result<std::vector<BindMount>> container_mounts(const base::Json& pod, const base::Json& container,
                                                      const std::string& folder, const Variables& variables);

}  // namespace serin::local
