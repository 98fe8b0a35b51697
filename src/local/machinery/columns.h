#pragma once

// How each built-in kind is printed; not for other layers.

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "local/machinery/builtin.h"

namespace serin::local {

struct Column {
  std::string name;
  std::string_view type = "string";
  int priority = 0;  ///< 1: only with -o wide
  std::string_view format = {};
  std::string description = {};
};

/// The columns of a built-in kind, and one object's cells, as many as columns.
std::vector<Column> builtin_columns(std::string_view kind);
Json::Array builtin_cells(const Json& object, std::string_view kind, base::WallTime now);

/// "5m", or "<unknown>" for an absent time.
std::string age_since(const Json& time, base::WallTime now);

/// Ready, Status and Restarts of a pod, as `kubectl get pods` sums its containers up.
struct PodSummary {
  std::string ready, status, restarts;
};
PodSummary summarise_pod(const Json& pod, base::WallTime now);

}  // namespace serin::local
