#include "notify/message.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace serin::notify {
namespace {

using base::Json;
using canary::Severity;

constexpr std::size_t text_max = 3000;

/// Slack's mrkdwn and Google Chat's HTML read &, < and > as their own.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string as_is(std::string_view text) {
  return std::string(text);
}

/// The steps to come, as the strategy has them; empty for a strategy without.
std::string routing_of(const canary::Spec& spec) {
  if (spec.iterations > 0) return spec.has_match() ? "A/B Testing" : "Blue/Green";
  if (spec.step_weight > 0)
    return fmt::format("Weight step: {} max: {}", spec.step_weight, spec.final_weight());
  if (spec.step_weights.empty()) return {};
  return fmt::format("Weight steps: {} max: {}", fmt::join(spec.step_weights, ","), spec.final_weight());
}

/// Slack's message with an attachment, which Discord and Rocket.Chat read too.
Json slack_body(const Message& message, const Dialect& dialect) {
  const bool urgent = message.severity == Severity::error;
  const bool rocket = dialect.service == Service::rocket;
  const auto text = dialect.service == Service::slack ? escaped : as_is;
  Json fields = Json::array();
  for (const Field& field : message.fields) {
    fields.push_back(
        Json::object({{"title", text(field.name)}, {"value", text(field.value)}, {"short", false}}));
  }
  const char* const color = rocket ? (urgent ? "#FF0000" : "#0076D7") : (urgent ? "danger" : "good");
  Json attachment = Json::object({{"color", color},
                                  {"author_name", message.dotted()},
                                  {"text", text(message.text)},
                                  {"mrkdwn_in", Json::array({"text"})},
                                  {"fields", std::move(fields)}});
  return Json::object({{"channel", dialect.channel},
                       {"username", dialect.username},
                       {"icon_url", ""},
                       {"icon_emoji", ":rocket:"},
                       {"attachments", Json::array({std::move(attachment)})}});
}

/// A connector card (MessageCard) of Microsoft 365.
Json connector_card(const Message& message) {
  Json facts = Json::array();
  for (const Field& field : message.fields) {
    facts.push_back(Json::object({{"name", field.name}, {"value", field.value}}));
  }
  Json section = Json::object(
      {{"activityTitle", message.text}, {"activitySubtitle", message.dotted()}, {"facts", std::move(facts)}});
  return Json::object({{"@type", "MessageCard"},
                       {"@context", "http://schema.org/extensions"},
                       {"themeColor", message.severity == Severity::error ? "FF0000" : "0076D7"},
                       {"summary", message.dotted()},
                       {"sections", Json::array({std::move(section)})}});
}

/// An Adaptive Card as workflows of Teams take it: the connectors' successor.
Json adaptive_card(const Message& message) {
  Json body = Json::array();
  body.push_back(Json::object({{"type", "TextBlock"},
                               {"text", message.text},
                               {"wrap", true},
                               {"weight", "Bolder"},
                               {"color", message.severity == Severity::error ? "Attention" : "Good"}}));
  body.push_back(Json::object({{"type", "TextBlock"}, {"text", message.dotted()}, {"isSubtle", true}}));
  Json facts = Json::array();
  for (const Field& field : message.fields) {
    facts.push_back(Json::object({{"title", field.name}, {"value", field.value}}));
  }
  if (!facts.empty()) body.push_back(Json::object({{"type", "FactSet"}, {"facts", std::move(facts)}}));
  Json content = Json::object({{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
                               {"type", "AdaptiveCard"},
                               {"version", "1.4"},
                               {"body", std::move(body)}});
  Json attachment = Json::object(
      {{"contentType", "application/vnd.microsoft.card.adaptive"}, {"content", std::move(content)}});
  return Json::object({{"type", "message"}, {"attachments", Json::array({std::move(attachment)})}});
}

/// A card (version 1) of Google Chat: one section for the text, one a field.
Json chat_card(const Message& message) {
  const auto section = [](std::string text) {
    Json paragraph = Json::object({{"textParagraph", Json::object({{"text", std::move(text)}})}});
    return Json::object({{"widgets", Json::array({std::move(paragraph)})}});
  };
  constexpr std::string_view strong = "<font color=#848484><strong>{}</strong></font>";
  Json sections = Json::array();
  sections.push_back(section(fmt::format(fmt::runtime(strong), escaped(message.text))));
  for (const Field& field : message.fields) {
    const std::string value = fmt::format(fmt::runtime(strong), escaped(field.value));
    sections.push_back(section(escaped(field.name) + "<br>" + value));
  }
  Json header = Json::object({{"title", "Flagger"},
                              {"subtitle", message.dotted()},
                              {"imageUrl", "https://flagger.app/favicon.png"}});
  Json card = Json::object({{"header", std::move(header)}, {"sections", std::move(sections)}});
  return Json::object({{"cards", Json::array({std::move(card)})}});
}

/// Our own: shaped like the webhooks' payload (spec 09 §3), for receivers that know those.
Json webhook_body(const Message& message) {
  Json metadata = Json::object();
  for (const Field& field : message.fields) metadata.set(field.name) = field.value;
  return Json::object({{"name", message.name},
                       {"namespace", message.ns},
                       {"severity", canary::name_of(message.severity)},
                       {"message", message.text},
                       {"metadata", std::move(metadata)}});
}

}  // namespace

std::string_view type_of(Service service) {
  switch (service) {
    case Service::slack:
      return "slack";
    case Service::msteams:
      return "msteams";
    case Service::discord:
      return "discord";
    case Service::rocket:
      return "rocket";
    case Service::gchat:
      return "gchat";
    case Service::webhook:
      return "webhook";
  }
  return "";
}

std::string_view title_of(Service service) {
  switch (service) {
    case Service::slack:
      return "Slack";
    case Service::msteams:
      return "MS Teams";
    case Service::discord:
      return "Discord";
    case Service::rocket:
      return "Rocket";
    case Service::gchat:
      return "Google Chat";
    case Service::webhook:
      return "webhook";
  }
  return "";
}

Message message_of(const canary::Spec& spec, const canary::Alert& alert, const std::string& cluster) {
  Message message{
      spec.name, spec.ns, alert.severity, base::valid_utf8(base::utf8_prefix(alert.text, text_max)), {}};
  if (alert.text.size() > text_max) message.text += "…";
  if (!cluster.empty()) message.fields.push_back({"Cluster", cluster});
  if (!alert.with_metadata) return message;
  const auto deadline = std::chrono::duration_cast<std::chrono::seconds>(spec.progress_deadline);
  message.fields.push_back({"Target", fmt::format("{}/{}", spec.target_kind, spec.target_dotted())});
  message.fields.push_back({"Failed checks threshold", fmt::format("{}", spec.threshold)});
  message.fields.push_back({"Progress deadline", fmt::format("{}s", deadline.count())});
  if (std::string routing = routing_of(spec); !routing.empty()) {
    message.fields.push_back({"Traffic routing", std::move(routing)});
  }
  return message;
}

std::string body_of(const Message& message, const Dialect& dialect) {
  switch (dialect.service) {
    case Service::slack:
    case Service::discord:
    case Service::rocket:
      return slack_body(message, dialect).dump();
    case Service::msteams:
      return (dialect.adaptive ? adaptive_card(message) : connector_card(message)).dump();
    case Service::gchat:
      return chat_card(message).dump();
    case Service::webhook:
      return webhook_body(message).dump();
  }
  return {};
}

std::string refusal_of(const http::Response& answer, Service service) {
  const std::string shown = base::one_line(answer.body, 512);
  if (answer.status < 200 || answer.status > 299)
    return fmt::format("bad response {}: {}", answer.status, shown);
  if (service == Service::slack) {  // the Web API refuses by a member "ok" that is false, with status 200
    const base::Result<Json> body = Json::parse(answer.body);
    if (body && !(*body)["ok"].bool_or(true)) {
      return "Slack answered " + base::one_line((*body)["error"].str_or("ok: false"), 512);
    }
  }
  // Connectors report limits and failures behind them in the text of a 200.
  if (service == Service::msteams && answer.body.starts_with("Webhook message delivery failed")) return shown;
  return {};
}

}  // namespace serin::notify
