#include "local/machinery/status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace serin::local {

namespace {

std::string group_resource(std::string_view group, std::string_view plural) {
  return group.empty() ? std::string(plural) : fmt::format("{}.{}", plural, group);
}

FieldError with_value(std::string_view reason, std::string field, std::string_view kind, const Json& value,
                      std::string_view why) {
  const std::string shown = value.is_string() ? go_quoted(value.str()) : value.dump();
  return {std::string(reason), std::move(field),
          why.empty() ? fmt::format("{}: {}", kind, shown) : fmt::format("{}: {}: {}", kind, shown, why)};
}

Json object_details(std::string_view group, std::string_view kind, std::string_view name) {
  Json details = Json::object();
  if (!name.empty()) details.set("name") = name;
  if (!group.empty()) details.set("group") = group;
  details.set("kind") = kind;
  return details;
}

}  // namespace

std::string go_quoted(std::string_view text) {
  return Json(text).dump();
}

FieldError FieldError::invalid(std::string field, const Json& value, std::string_view why) {
  return with_value("FieldValueInvalid", std::move(field), "Invalid value", value, why);
}

FieldError FieldError::required(std::string field, std::string_view why) {
  return {"FieldValueRequired", std::move(field),
          why.empty() ? std::string("Required value") : fmt::format("Required value: {}", why)};
}

FieldError FieldError::duplicate(std::string field, const Json& value) {
  return with_value("FieldValueDuplicate", std::move(field), "Duplicate value", value, {});
}

FieldError FieldError::forbidden(std::string field, std::string_view why) {
  return {"FieldValueForbidden", std::move(field), fmt::format("Forbidden: {}", why)};
}

FieldError FieldError::not_supported(std::string field, const Json& value,
                                     const std::vector<std::string>& supported) {
  std::vector<std::string> names;
  for (const std::string& name : supported) names.push_back(go_quoted(name));
  return with_value("FieldValueNotSupported", std::move(field), "Unsupported value", value,
                    names.empty() ? "" : fmt::format("supported values: {}", fmt::join(names, ", ")));
}

FieldError FieldError::not_found(std::string field, const Json& value) {
  return with_value("FieldValueNotFound", std::move(field), "Not found", value, {});
}

FieldError FieldError::too_many(std::string field, std::size_t actual, std::size_t most) {
  return {"FieldValueTooMany", std::move(field),
          fmt::format("Too many: {}: must have at most {} item{}", actual, most, most == 1 ? "" : "s")};
}

FieldError FieldError::too_long(std::string field, std::size_t most_bytes) {
  return {"FieldValueTooLong", std::move(field),
          fmt::format("Too long: may not be more than {} bytes", most_bytes)};
}

FieldError FieldError::type_invalid(std::string field, const Json& value, std::string_view why) {
  return with_value("FieldValueTypeInvalid", std::move(field), "Invalid value", value, why);
}

Json StatusError::to_json() const {
  Json status = Json::object({{"kind", "Status"},
                              {"apiVersion", "v1"},
                              {"metadata", Json::object()},
                              {"status", "Failure"},
                              {"message", message}});
  if (!reason.empty()) status.set("reason") = reason;
  if (!details.is_null()) status.set("details") = details;
  status.set("code") = code;
  return status;
}

StatusError StatusError::bad_request(std::string message) {
  return {400, "BadRequest", std::move(message), Json()};
}

StatusError StatusError::not_found(std::string_view group, std::string_view plural, std::string_view name) {
  return {404, "NotFound", fmt::format("{} {} not found", group_resource(group, plural), go_quoted(name)),
          object_details(group, plural, name)};
}

StatusError StatusError::already_exists(std::string_view group, std::string_view plural,
                                        std::string_view name) {
  return {409, "AlreadyExists",
          fmt::format("{} {} already exists", group_resource(group, plural), go_quoted(name)),
          object_details(group, plural, name)};
}

StatusError StatusError::conflict(std::string_view group, std::string_view plural, std::string_view name,
                                  std::string_view why) {
  return {409, "Conflict",
          fmt::format("Operation cannot be fulfilled on {} {}: {}", group_resource(group, plural),
                      go_quoted(name), why),
          object_details(group, plural, name)};
}

StatusError StatusError::invalid(std::string_view group, std::string_view kind, std::string_view name,
                                 const FieldErrors& errors) {
  Json causes = Json::array();
  std::vector<std::string> texts;
  for (const FieldError& error : errors) {
    causes.push_back(
        Json::object({{"reason", error.reason}, {"message", error.message}, {"field", error.field}}));
    const std::string text = error.text();
    if (std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
  }
  std::string message = fmt::format("{} {} is invalid", group_resource(group, kind), go_quoted(name));
  if (texts.size() == 1) message += ": " + texts.front();
  if (texts.size() > 1) message += fmt::format(": [{}]", fmt::join(texts, ", "));
  Json details = object_details(group, kind, name);
  if (!causes.empty()) details.set("causes") = std::move(causes);
  return {422, "Invalid", std::move(message), std::move(details)};
}

}  // namespace serin::local
