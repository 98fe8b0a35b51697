#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "kube/api.h"

namespace serin::local {

using kube::Json;
using kube::ObjectRef;

/// Objects seen in a cache. They live as long as the decision that reads them: decisions do not suspend.
using Objects = std::vector<const Json*>;

/// What `kubectl describe` shows under Events.
struct Notice {
  std::string type = "Normal";  ///< or "Warning"
  std::string reason;
  std::string message;
  bool operator==(const Notice&) const = default;
};

/// One change to the cluster, as data.
struct Write {
  enum class Verb {
    create,          ///< `object` is new
    replace,         ///< `object` with the resourceVersion it was decided on
    replace_status,  ///< the same through the status subresource
    merge,           ///< `object` is a JSON merge patch that carries its own name and resourceVersion
    finalize,        ///< a Namespace whose spec.finalizers are done
    remove,          ///< `object` as it was seen: its uid is the precondition
  };
  Verb verb = Verb::create;
  kube::Resource resource;
  Json object;
  /// Told about the reconciled object once the write has succeeded.
  std::optional<Notice> notice = std::nullopt;
  /// Told instead if it fails: reason and the start of the message.
  std::optional<Notice> failure_notice = std::nullopt;
  std::string propagation = {};  ///< of a removal; empty: the server's default
};

/// What a controller decided after one look: writes in their order, and when to look again though nothing
/// has changed.
struct Plan {
  std::vector<Write> writes;
  std::vector<Notice> notices;  ///< told whatever becomes of the writes
  std::optional<base::WallTime> wake;

  /// Looks again at `time` or earlier.
  void wake_at(base::WallTime time) {
    if (!wake || time < *wake) wake = time;
  }
};

}  // namespace serin::local
