#pragma once

#include <map>
#include <string>
#include <vector>

#include "canary/spec.h"

namespace serin::routing {

/// spec.analysis.match as ingress-nginx can have it: by one header, by one cookie, or by either.
struct NginxMatch {
  /// Annotations without their prefix: "canary-by-header": "x-canary".
  std::map<std::string, std::string> annotations;
  /// What it cannot express, or not safely, with field and remedy.
  std::vector<std::string> problems;
};

NginxMatch nginx_match(const canary::Spec& spec);

}  // namespace serin::routing
