#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace serin::loadtester {

/// What a Canary's webhook sends (spec 09 §3), as far as the tester reads it.
struct Payload {
  std::string name, ns, phase;
  std::map<std::string, std::string> metadata;

  /// Unknown fields are passed over, absent ones and null are empty; a wrong type is an error (invalid).
  static base::Result<Payload> parse(std::string_view body);

  /// "podinfo.test": the key of gates, and of running tasks.
  [[nodiscard]] std::string key() const { return name + "." + ns; }
  /// A metadata value; empty if absent.
  [[nodiscard]] std::string get(const std::string& field) const;
  /// A metadata value as Go's strconv.ParseBool reads it; anything else is false.
  [[nodiscard]] bool get_bool(const std::string& field) const;
};

}  // namespace serin::loadtester
