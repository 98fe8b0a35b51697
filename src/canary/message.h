#pragma once

#include <optional>
#include <string>
#include <variant>

#include "canary/spec.h"
#include "canary/status.h"

namespace serin::canary {

/// A Kubernetes Event on the Canary, the event webhook and a log line. Sent without waiting.
struct Announce {
  enum class Kind { normal, warning, error } kind = Kind::normal;  ///< error: a Warning, logged as error
  std::string text;
  Phase phase = Phase::none;  ///< as the event webhook reports it
  bool operator==(const Announce&) const = default;
};

/// A message to people's chat rooms (spec 10 §1). Sent without waiting.
struct Alert {
  using Severity = canary::Severity;
  Severity severity = Severity::info;
  std::string text;
  bool with_metadata = false;  ///< target, threshold, deadline and routing are told with it
  bool operator==(const Alert&) const = default;
};

/// What people are to be told.
using Message = std::variant<Announce, Alert>;

/// The message as an entry of status.announcing (docs/differences.md), and back; nullopt for what is no such
/// entry.
Json to_json(const Message& message);
std::optional<Message> read_message(const Json& entry);

}  // namespace serin::canary
