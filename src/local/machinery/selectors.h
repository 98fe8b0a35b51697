#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace serin::local {

using base::Json;

/// One requirement of a label selector.
struct LabelRequirement {
  enum class Operator { in, not_in, exists, does_not_exist, greater, less };
  std::string key;
  Operator op = Operator::exists;
  std::vector<std::string> values;

  bool operator==(const LabelRequirement&) const = default;
};

/// Chooses objects by their labels; all requirements must hold. The empty selector matches everything.
class LabelSelector {
 public:
  LabelSelector() = default;
  explicit LabelSelector(std::vector<LabelRequirement> requirements)
      : requirements_(std::move(requirements)) {}

  /// "app=web,tier in (a,b),!old". Error (invalid): the API server's text.
  static base::Result<LabelSelector> parse(std::string_view text);
  /// A metav1.LabelSelector (matchLabels, matchExpressions). Null matches nothing, {} everything.
  static base::Result<LabelSelector> from_object(const Json& selector);
  /// A plain map of labels (Service, ReplicationController).
  static LabelSelector from_map(const Json& labels);

  [[nodiscard]] bool matches(const Json& labels) const;
  [[nodiscard]] bool matches_everything() const { return !nothing_ && requirements_.empty(); }
  [[nodiscard]] const std::vector<LabelRequirement>& requirements() const { return requirements_; }
  /// The selector as text, keys sorted ("app=web,tier in (a,b)"); "<none>" is the printer's affair.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<LabelRequirement> requirements_;
  bool nothing_ = false;
};

/// "status.phase!=Running,spec.nodeName=local".
class FieldSelector {
 public:
  struct Term {
    std::string field;
    std::string value;
    bool equal = true;
    bool operator==(const Term&) const = default;
  };

  FieldSelector() = default;
  /// `supported`: the fields this resource can be chosen by. metadata.name and metadata.namespace always
  /// are; another one is an error (invalid) with the API server's text.
  static base::Result<FieldSelector> parse(std::string_view text, const std::vector<std::string>& supported);

  [[nodiscard]] bool matches(const Json& object) const;
  [[nodiscard]] bool empty() const { return terms_.empty(); }
  [[nodiscard]] const std::vector<Term>& terms() const { return terms_; }

 private:
  std::vector<Term> terms_;
};

}  // namespace serin::local
