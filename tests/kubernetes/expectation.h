#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/kubernetes/stand_ins.h"

namespace serin::kubernetes_test {

/// Objects by "Kind/name".
using Objects = std::map<std::string, base::Json>;

/// An object as it can be expected: without what no controller decides (times, uids, versions, hashes,
/// addresses), without the API servers' own status of workloads and Services, and without empty members.
/// `webhooks` is the receiver's "host:port"; it becomes the host "webhooks".
base::Json expectable(const base::Json& object, const std::string& webhooks);

/// The same data, read from a file of YAML documents. Errors name the file.
base::Result<Objects> read_objects(const std::filesystem::path& file);

/// The events as lines, without those that only say what is waited for (how often depends on the machine),
/// and each only once in a row.
std::vector<std::string> expectable_lines(const std::vector<Event>& events);
/// The lines of a file; empty if there is none.
std::vector<std::string> read_lines(const std::filesystem::path& file);

/// Every place where `actual` differs, as "Kind/name.path: expected X, is Y".
std::vector<std::string> differences(const Objects& expected, const Objects& actual);

}  // namespace serin::kubernetes_test
