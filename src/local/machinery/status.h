#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace serin::local {

using base::Json;

/// The text in double quotes, as Go's %q prints it.
std::string go_quoted(std::string_view text);

/// One thing wrong with one field, with the texts of the API server.
struct FieldError {
  std::string reason;   ///< FieldValueInvalid, FieldValueRequired, FieldValueNotSupported, ...
  std::string field;    ///< "spec.template.spec.containers[0].name"
  std::string message;  ///< what follows the field's name: `Invalid value: "x": must be ...`

  bool operator==(const FieldError&) const = default;
  /// "<field>: <message>"
  [[nodiscard]] std::string text() const { return field + ": " + message; }

  static FieldError invalid(std::string field, const Json& value, std::string_view why);
  static FieldError required(std::string field, std::string_view why = {});
  static FieldError duplicate(std::string field, const Json& value);
  static FieldError forbidden(std::string field, std::string_view why);
  static FieldError not_supported(std::string field, const Json& value,
                                  const std::vector<std::string>& supported);
  static FieldError not_found(std::string field, const Json& value);
  static FieldError too_many(std::string field, std::size_t actual, std::size_t most);
  static FieldError too_long(std::string field, std::size_t most_bytes);
  static FieldError type_invalid(std::string field, const Json& value, std::string_view why);
};

using FieldErrors = std::vector<FieldError>;

/// A refusal as the API serves it: HTTP code and the parts of a metav1.Status.
struct StatusError {
  int code = 500;
  std::string reason;  ///< NotFound, AlreadyExists, Conflict, Invalid, BadRequest, ...
  std::string message;
  Json details;  ///< name, group, kind, causes, retryAfterSeconds; null if there are none

  /// {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",...}
  [[nodiscard]] Json to_json() const;

  static StatusError bad_request(std::string message);
  static StatusError not_found(std::string_view group, std::string_view plural, std::string_view name);
  static StatusError already_exists(std::string_view group, std::string_view plural, std::string_view name);
  /// `Operation cannot be fulfilled on deployments.apps "x": <why>`
  static StatusError conflict(std::string_view group, std::string_view plural, std::string_view name,
                              std::string_view why);
  /// `Deployment.apps "x" is invalid: <error>` or `...: [<error>, <error>]`, with a cause each.
  static StatusError invalid(std::string_view group, std::string_view kind, std::string_view name,
                             const FieldErrors& errors);
};

template <class T = void>
using StatusResult = std::expected<T, StatusError>;

}  // namespace serin::local
