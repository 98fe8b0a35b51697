#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "local/mesh/http_head.h"

namespace re2 {
class RE2;
}

namespace serin::local::mesh {

/// A request as routes look at it: views into its head.
struct RequestView {
  std::string_view method, target;
  std::string_view host;  ///< with the port, if the client said one
  const HeadFields& fields;
  std::string_view client_ns;  ///< empty: the caller is no pod

  /// The target without query (and without scheme and host, where a client sent those).
  [[nodiscard]] std::string_view path() const;
  /// What follows the question mark.
  [[nodiscard]] std::string_view query() const;
};

/// A value that is demanded, literally or as a regular expression. Expressions are RE2's (so is Linkerd's
/// dialect), and the leftmost match found must span all of the text: `a|ab` does not match `ab` (spec 07
/// §6.2).
class ValueMatch {
 public:
  /// `type`: Exact or RegularExpression. Errors (invalid) name the expression and what is wrong with it.
  static base::Result<ValueMatch> make(std::string_view type, std::string value);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  std::string exact_;
  std::shared_ptr<const re2::RE2> expression_;  // null: exact_ is meant
};

/// How well a request fits, best last: hosts (a longer exact one above a longer suffix above none), then the
/// length of the matched path, then how many conditions there were (spec 07 §6.2).
struct Specificity {
  int host_kind = 0;  ///< 0 no host asked for, 1 suffix, 2 exact
  std::size_t host_length = 0, path_length = 0, headers = 0, queries = 0;
  bool method = false;

  auto operator<=>(const Specificity&) const = default;
};

/// One element of a rule's `matches`: all its conditions must hold.
class RouteMatch {
 public:
  /// As HTTPRoutes have it; what is absent has the defaults of the API (path prefix `/`). Errors (invalid)
  /// name the field.
  static base::Result<RouteMatch> make(const base::Json& match);
  /// nullopt: a condition does not hold. The host's part is left at none.
  [[nodiscard]] std::optional<Specificity> match(const RequestView& request) const;
  /// Without the slash at its end; empty for the prefix `/` and for paths of another type.
  [[nodiscard]] std::string_view prefix() const { return prefix_; }

 private:
  struct Named {
    std::string name;
    ValueMatch value;
  };
  static base::Result<std::vector<Named>> read_named(const base::Json& list, std::string_view field);
  [[nodiscard]] std::optional<std::size_t> match_path(std::string_view path) const;
  [[nodiscard]] bool match_query(std::string_view query) const;

  std::optional<ValueMatch> path_;  // absent: prefix_ counts
  std::string prefix_;
  std::vector<Named> headers_, queries_;
  std::string method_;  // empty: any
};

/// How the host of a request (a port is ignored, and so are case and a dot at the end) fits a route's
/// hostname (exact, or `*.suffix`); nullopt: not at all.
std::optional<Specificity> match_host(std::string_view hostname, std::string_view host);

}  // namespace serin::local::mesh
