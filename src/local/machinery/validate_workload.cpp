#include <re2/re2.h>

#include "local/machinery/names.h"
#include "local/machinery/selectors.h"
#include "local/machinery/validation.h"

namespace serin::local {

namespace {

void validate_selector(const Json& selector, const std::string& path, Findings& findings) {
  findings.add(check_labels(selector["matchLabels"], path + ".matchLabels"));
  const Json& expressions = selector["matchExpressions"];
  for (std::size_t i = 0; i < expressions.items().size(); ++i) {
    const Json& expression = expressions.at(i);
    const std::string here = fmt::format("{}.matchExpressions[{}]", path, i);
    const std::string& op = expression["operator"].str();
    if (op == "In" || op == "NotIn") {
      if (expression["values"].empty()) {
        findings.add(
            FieldError::required(here + ".values", "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!expression["values"].empty()) {
        findings.add(FieldError::forbidden(
            here + ".values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
    } else {
      findings.add(FieldError::invalid(here + ".operator", op, "not a valid selector operator"));
    }
    findings.invalid(here + ".key", expression["key"], check_qualified_name(expression["key"].str()));
  }
}

void validate_selector_and_template(const Json& spec, std::string_view kind, Findings& findings) {
  const Json& selector = spec["selector"];
  if (selector.is_null()) {
    if (kind != "daemonset") findings.add(FieldError::required("spec.selector"));
  } else {
    validate_selector(selector, "spec.selector", findings);
    if (selector["matchLabels"].empty() && selector["matchExpressions"].empty()) {
      findings.add(FieldError::invalid("spec.selector", selector,
                                       fmt::format("empty selector is invalid for {}", kind)));
    }
  }
  const Json& labels = spec.get("template", "metadata", "labels");
  const auto chosen = LabelSelector::from_object(selector);
  if (chosen && !chosen->matches(labels)) {
    findings.add(FieldError::invalid("spec.template.metadata.labels", labels,
                                     "`selector` does not match template `labels`"));
  }
  findings.add(check_labels(labels, "spec.template.metadata.labels"));
  findings.add(check_annotations(spec.get("template", "metadata", "annotations"),
                                 "spec.template.metadata.annotations"));
  const Json& pod = spec.get("template", "spec");
  validate_pod_spec(pod, "spec.template.spec", findings);
  findings.one_of(pod["restartPolicy"], {"Always"}, "spec.template.spec.restartPolicy");
}

/// A count or a percentage; true if it is certainly zero.
bool validate_share(const Json& value, const std::string& path, Findings& findings) {
  if (value.is_number()) {
    findings.at_least(value, 0, path);
    return value.as_int() == 0;
  }
  if (!value.is_string()) return true;
  if (!RE2::FullMatch(value.str(), "[0-9]+%")) {
    findings.add(
        FieldError::invalid(path, value,
                            "a valid percent string must be a numeric string followed by an ending '%' "
                            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"));
    return false;
  }
  return value.str().find_first_not_of("0%") == std::string::npos;
}

void validate_rolling_update(const Json& rolling, const std::string& path, Findings& findings) {
  const bool no_unavailable = validate_share(rolling["maxUnavailable"], path + ".maxUnavailable", findings);
  const bool no_surge = validate_share(rolling["maxSurge"], path + ".maxSurge", findings);
  if (no_unavailable && no_surge) {
    findings.add(FieldError::invalid(path + ".maxUnavailable", rolling["maxUnavailable"],
                                     "may not be 0 when `maxSurge` is 0"));
  }
}

void validate_strategy(const Json& strategy, Findings& findings) {
  const std::string& type = strategy["type"].str();
  if (type == "Recreate") {
    if (!strategy["rollingUpdate"].is_null()) {
      findings.add(FieldError::forbidden("spec.strategy.rollingUpdate",
                                         "may not be specified when strategy `type` is 'Recreate'"));
    }
  } else if (type == "RollingUpdate") {
    validate_rolling_update(strategy["rollingUpdate"], "spec.strategy.rollingUpdate", findings);
  } else {
    findings.one_of(strategy["type"], {"Recreate", "RollingUpdate"}, "spec.strategy.type");
  }
}

}  // namespace

void validate_deployment(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  findings.at_least(spec["replicas"], 0, "spec.replicas");
  validate_selector_and_template(spec, "deployment", findings);
  validate_strategy(spec["strategy"], findings);
  findings.at_least(spec["minReadySeconds"], 0, "spec.minReadySeconds");
  findings.at_least(spec["revisionHistoryLimit"], 0, "spec.revisionHistoryLimit");
  if (spec["progressDeadlineSeconds"].is_null()) return;
  findings.at_least(spec["progressDeadlineSeconds"], 0, "spec.progressDeadlineSeconds");
  if (spec["progressDeadlineSeconds"].int_or(0) <= spec["minReadySeconds"].int_or(0)) {
    findings.add(FieldError::invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"],
                                     "must be greater than minReadySeconds"));
  }
}

void validate_replica_set(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  findings.at_least(spec["replicas"], 0, "spec.replicas");
  findings.at_least(spec["minReadySeconds"], 0, "spec.minReadySeconds");
  validate_selector_and_template(spec, "deployment", findings);
}

void validate_daemon_set(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  validate_selector_and_template(spec, "daemonset", findings);
  findings.at_least(spec["minReadySeconds"], 0, "spec.minReadySeconds");
  const Json& strategy = spec["updateStrategy"];
  findings.one_of(strategy["type"], {"OnDelete", "RollingUpdate"}, "spec.updateStrategy.type");
  if (strategy["type"].str() == "RollingUpdate") {
    validate_rolling_update(strategy["rollingUpdate"], "spec.updateStrategy.rollingUpdate", findings);
  }
  findings.at_least(spec["revisionHistoryLimit"], 0, "spec.revisionHistoryLimit");
}

}  // namespace serin::local
