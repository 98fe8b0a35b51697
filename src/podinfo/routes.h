#pragma once

#include <string_view>

#include "podinfo/service.h"

namespace serin::podinfo {

/// One line of the table of spec 11 §9.
struct Service::Route {
  std::string_view methods;  ///< blank-separated; empty: any
  std::string_view path;     ///< "{n}" stands for digits, "{x}" for one segment, a final "*" for any rest
  std::string_view name;     ///< the label `path` of the metrics
  Action action;
  bool survives_faults = false;  ///< answers as ever while faults are injected

  [[nodiscard]] bool allows(std::string_view method) const;
  /// Whether the path fits; the parameter's text goes to `parameter`.
  [[nodiscard]] bool matches(std::string_view path, std::string& parameter) const;
};

}  // namespace serin::podinfo
