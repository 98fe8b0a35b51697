#pragma once

#include <string>
#include <vector>

#include "canary/action.h"
#include "canary/spec.h"
#include "http/message.h"

namespace serin::notify {

/// The chat services that can be told, and `webhook`: JSON for receivers of one's own.
enum class Service { slack, msteams, discord, rocket, gchat, webhook };

/// What AlertProviders call it ("slack"); what log lines call it ("Slack").
std::string_view type_of(Service service);
std::string_view title_of(Service service);

struct Field {
  std::string name, value;
  bool operator==(const Field&) const = default;
};

/// What people are told, whoever carries it.
struct Message {
  std::string name, ns;  ///< of the canary
  canary::Severity severity = canary::Severity::info;
  std::string text;  ///< valid UTF-8, at most 3000 bytes
  std::vector<Field> fields;

  [[nodiscard]] std::string dotted() const { return name + "." + ns; }
};

/// The alert with its fields (spec 10 §1.1); `cluster` is told unless it is empty.
Message message_of(const canary::Spec& spec, const canary::Alert& alert, const std::string& cluster);

/// How a service is spoken to, apart from where it is.
struct Dialect {
  Service service = Service::slack;
  std::string channel, username;  ///< Slack, Discord, Rocket.Chat
  bool adaptive = false;          ///< Teams: an Adaptive Card instead of the connector card
};

/// The body of the POST, byte for byte as the service documents it (spec 10 §4).
std::string body_of(const Message& message, const Dialect& dialect);

/// Why the service did not take it; empty: it did. Some say so with status 200.
std::string refusal_of(const http::Response& answer, Service service);

}  // namespace serin::notify
