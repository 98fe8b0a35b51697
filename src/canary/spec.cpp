#include "canary/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace serin::canary {
namespace {

constexpr std::pair<HookType, std::string_view> hook_names[] = {
    {HookType::confirm_rollout, "confirm-rollout"},
    {HookType::pre_rollout, "pre-rollout"},
    {HookType::rollout, "rollout"},
    {HookType::confirm_traffic_increase, "confirm-traffic-increase"},
    {HookType::confirm_promotion, "confirm-promotion"},
    {HookType::post_rollout, "post-rollout"},
    {HookType::rollback, "rollback"},
    {HookType::event, "event"},
};

/// Reads the fields of one object and notes what is wrong with them, by path.
class Reader {
 public:
  Reader(const Json& object, std::string path, std::vector<std::string>& problems)
      : object_(object), path_(std::move(path)), problems_(problems) {}

  [[nodiscard]] Reader child(std::string_view key) const { return {object_[key], at(key), problems_}; }
  [[nodiscard]] Reader element(std::string_view key, std::size_t index) const {
    return {object_[key].at(index), fmt::format("{}[{}]", at(key), index), problems_};
  }
  [[nodiscard]] const Json& json() const { return object_; }
  [[nodiscard]] bool present() const { return !object_.is_null(); }
  [[nodiscard]] std::string at(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }
  void complain(std::string_view key, std::string_view text) const {
    problems_.push_back(fmt::format("{}: {}", at(key), text));
  }

  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise = "") const {
    const Json& value = object_[key];
    if (value.is_null()) return std::string(otherwise);
    if (!value.is_string()) complain(key, fmt::format("must be a string, not a {}", value.kind_name()));
    return value.str_or(otherwise);
  }

  [[nodiscard]] bool flag(std::string_view key) const {
    const Json& value = object_[key];
    if (!value.is_null() && !value.is_bool()) {
      complain(key, fmt::format("must be true or false, not a {}", value.kind_name()));
    }
    return value.bool_or(false);
  }

  [[nodiscard]] int integer(std::string_view key, int otherwise, int low, int high) const {
    const Json& value = object_[key];
    if (value.is_null()) return otherwise;
    const std::optional<std::int64_t> number = value.as_int();
    if (!number) {
      complain(key, fmt::format("{} is not a whole number", value.dump()));
      return otherwise;
    }
    if (*number < low || *number > high) {
      complain(key, fmt::format("{} is out of range, use {} to {}", *number, low, high));
      return otherwise;
    }
    return static_cast<int>(*number);
  }

  [[nodiscard]] std::optional<double> number(std::string_view key) const {
    const Json& value = object_[key];
    if (!value.is_null() && !value.is_number()) {
      complain(key, fmt::format("must be a number, not a {}", value.kind_name()));
    }
    return value.as_double();
  }

  [[nodiscard]] base::Duration duration(std::string_view key, base::Duration otherwise) const {
    const std::string value = text(key);
    if (value.empty()) return otherwise;
    const base::Result<base::Duration> parsed = base::parse_duration(value);
    if (!parsed) {
      complain(key, fmt::format("{} (write it like 30s, 1m or 1m30s)", parsed.error().message));
      return otherwise;
    }
    if (*parsed <= base::Duration::zero()) complain(key, fmt::format("{} is not positive", value));
    return *parsed;
  }

  [[nodiscard]] std::map<std::string, std::string> strings(std::string_view key) const {
    std::map<std::string, std::string> result;
    for (const Json::Member& member : object_[key].members()) {
      if (!member.value.is_string()) {
        complain(key, fmt::format("{} must be a string, not a {}", member.key, member.value.kind_name()));
        continue;
      }
      result[member.key] = member.value.str();
    }
    return result;
  }

  [[nodiscard]] std::vector<std::string> list(std::string_view key) const {
    std::vector<std::string> result;
    for (const Json& element : object_[key].items()) result.push_back(element.str());
    return result;
  }

 private:
  const Json& object_;
  std::string path_;
  std::vector<std::string>& problems_;
};

constexpr int any = std::numeric_limits<int>::max();

std::optional<CustomMetadata> read_metadata(const Reader& reader) {
  if (!reader.present()) return std::nullopt;
  return CustomMetadata{reader.strings("labels"), reader.strings("annotations")};
}

Service read_service(const Reader& reader, const std::string& target) {
  Service service;
  service.name = reader.text("name", target);
  service.port = reader.integer("port", 0, 1, 65535);
  if (reader.json()["port"].is_null())
    reader.complain("port", "is required: the port that the Services listen on");
  service.port_name = reader.text("portName", "http");
  const Json& target_port = reader.json()["targetPort"];
  const bool unset = target_port.is_null() || target_port == Json(0) || target_port == Json("0");
  service.target_port = unset ? Json(service.port) : target_port;
  service.app_protocol = reader.text("appProtocol");
  service.traffic_distribution = reader.text("trafficDistribution");
  service.port_discovery = reader.flag("portDiscovery");
  service.headless = reader.flag("headless");
  service.routing = reader.json();
  service.apex = read_metadata(reader.child("apex"));
  service.primary = read_metadata(reader.child("primary"));
  service.canary = read_metadata(reader.child("canary"));
  service.unmanaged_labels = reader.child("unmanagedMetadata").list("labels");
  service.unmanaged_annotations = reader.child("unmanagedMetadata").list("annotations");
  if (service.name.size() + std::string_view("-primary").size() > 63) {
    reader.complain(
        "name",
        fmt::format("\"{}-primary\" is longer than the 63 characters a Service name may have", service.name));
  }
  return service;
}

Webhook read_webhook(const Reader& reader) {
  Webhook hook;
  hook.name = reader.text("name");
  hook.url = reader.text("url");
  if (!hook.url.starts_with("http://") && !hook.url.starts_with("https://")) {
    reader.complain("url", fmt::format("\"{}\" is not an http or https URL", hook.url));
  }
  const std::string type = reader.text("type");
  const std::optional<HookType> known = type.empty() ? HookType::rollout : parse_hook_type(type);
  if (!known) reader.complain("type", fmt::format("\"{}\" is not a webhook type", type));
  hook.type = known.value_or(HookType::rollout);
  // Fewer than two characters count as unset, as they always did (spec 09 §1).
  if (reader.text("timeout").size() >= 2) hook.timeout = reader.duration("timeout", hook.timeout);
  hook.metadata = reader.strings("metadata");
  hook.retries = reader.integer("retries", 0, 0, 100);
  hook.mute_alert = reader.flag("muteAlert");
  hook.disable_tls = reader.flag("disableTLS");
  return hook;
}

/// What the controller's flag forbids to refer to (spec 03 §7).
void check_namespace(const Reader& reader, const std::string& noun, const std::string& name,
                     const std::string& ns, const Spec& spec, const SpecDefaults& defaults) {
  if (!defaults.no_cross_namespace_refs || name.empty() || ns.empty() || ns == spec.ns) return;
  reader.complain("namespace", fmt::format("can't access {} {}.{}, cross-namespace references are blocked",
                                           noun, name, ns));
}

Metric read_metric(const Reader& reader, const Spec& spec, const SpecDefaults& defaults) {
  Metric metric;
  metric.name = reader.text("name");
  metric.interval = reader.text("interval", "1m");
  if (metric.interval.empty()) metric.interval = "1m";
  if (const auto parsed = base::parse_duration(metric.interval); !parsed) {
    reader.complain("interval", parsed.error().message);
  }
  metric.threshold = reader.number("threshold").value_or(0);
  if (const Reader range = reader.child("thresholdRange"); range.present()) {
    metric.range = Bounds{range.number("min"), range.number("max")};
  }
  metric.query = reader.text("query");
  const Reader reference = reader.child("templateRef");
  metric.template_name = reference.text("name");
  metric.template_namespace = reference.text("namespace");
  check_namespace(reference, "metric template", metric.template_name, metric.template_namespace, spec,
                  defaults);
  metric.variables = reader.strings("templateVariables");
  const bool built_in = metric.name == "request-success-rate" || metric.name == "request-duration";
  if (!built_in && metric.query.empty() && metric.template_name.empty()) {
    reader.complain("name", fmt::format("\"{}\" is no built-in check and has neither query nor templateRef",
                                        metric.name));
  }
  return metric;
}

AlertRef read_alert(const Reader& reader, const Spec& spec, const SpecDefaults& defaults) {
  AlertRef alert;
  alert.name = reader.text("name");
  const std::string severity = reader.text("severity");
  if (severity == "warn") alert.severity = Severity::warn;
  if (severity == "error") alert.severity = Severity::error;
  if (!severity.empty() && severity != name_of(alert.severity)) {
    reader.complain("severity", fmt::format("\"{}\" is not a severity, use info, warn or error", severity));
  }
  const Reader provider = reader.child("providerRef");
  alert.provider_name = provider.text("name");
  alert.provider_namespace = provider.text("namespace");
  if (alert.provider_namespace.empty()) alert.provider_namespace = spec.ns;
  check_namespace(provider, "alert provider", alert.provider_name, alert.provider_namespace, spec, defaults);
  if (alert.provider_name.empty()) provider.complain("name", "is required: the AlertProvider to tell");
  return alert;
}

void read_steps(const Reader& reader, Spec& spec) {
  for (const Json& element : reader.json()["stepWeights"].items()) {
    const std::optional<std::int64_t> weight = element.as_int();
    if (!weight || *weight < 1 || *weight > 100) {
      reader.complain("stepWeights", fmt::format("{} is not a weight, use 1 to 100", element.dump()));
      continue;
    }
    if (!spec.step_weights.empty() && *weight <= spec.step_weights.back()) {
      reader.complain("stepWeights",
                      fmt::format("{} comes after {}: each step must be larger than the one before", *weight,
                                  spec.step_weights.back()));
    }
    spec.step_weights.push_back(static_cast<int>(*weight));
  }
  spec.step_weight = reader.integer("stepWeight", 0, std::numeric_limits<int>::min(), any);
  spec.max_weight = reader.integer("maxWeight", 100, std::numeric_limits<int>::min(), any);
  if (spec.max_weight <= 0) spec.max_weight = 100;
  spec.step_weight_promotion = reader.integer("stepWeightPromotion", 0, 0, 100);
  spec.iterations = reader.integer("iterations", 0, 0, any);
  if (spec.iterations > 0 || spec.skip_analysis) return;
  if (!spec.step_weights.empty() && spec.step_weight <= 0) return;
  if (spec.max_weight > 100)
    reader.complain("maxWeight", fmt::format("{} is out of range, use 1 to 100", spec.max_weight));
  if (spec.step_weight < 1 || spec.step_weight > 100) {
    reader.complain("stepWeight",
                    fmt::format("{} would never end the analysis, use 1 to 100", spec.step_weight));
  }
}

std::optional<SessionAffinity> read_affinity(const Reader& reader) {
  if (!reader.present()) return std::nullopt;
  SessionAffinity affinity;
  affinity.cookie_name = reader.text("cookieName");
  affinity.primary_cookie_name = reader.text("primaryCookieName");
  if (affinity.primary_cookie_name.empty()) affinity.primary_cookie_name = affinity.cookie_name + "-primary";
  affinity.max_age = reader.integer("maxAge", affinity.max_age, 1, any);
  affinity.domain = reader.text("domain");
  affinity.path = reader.text("path");
  affinity.same_site = reader.text("sameSite");
  affinity.http_only = reader.flag("httpOnly");
  affinity.partitioned = reader.flag("partitioned");
  affinity.secure = reader.flag("secure");
  if (affinity.cookie_name.empty()) reader.complain("cookieName", "is required");
  if (affinity.cookie_name == affinity.primary_cookie_name) {
    reader.complain("primaryCookieName",
                    "can't use the same cookie name for both primary and cookie name; please update them to "
                    "be different");
  }
  return affinity;
}

void read_analysis(const Reader& reader, const SpecDefaults& defaults, Spec& spec) {
  if (!reader.present()) {
    reader.complain("interval", "spec.analysis is required");
    return;
  }
  spec.interval = std::max(reader.duration("interval", spec.interval), defaults.interval_min);
  spec.threshold = std::max(1, reader.integer("threshold", 1, std::numeric_limits<int>::min(), any));
  read_steps(reader, spec);
  spec.mirror = reader.flag("mirror");
  spec.match = reader.json()["match"];
  spec.session_affinity = read_affinity(reader.child("sessionAffinity"));
  spec.primary_ready_percent = reader.integer("primaryReadyThreshold", 100, 0, 100);
  spec.canary_ready_percent = reader.integer("canaryReadyThreshold", 100, 0, 100);
  for (std::size_t i = 0; i < reader.json()["metrics"].size(); ++i) {
    spec.metrics.push_back(read_metric(reader.element("metrics", i), spec, defaults));
  }
  for (std::size_t i = 0; i < reader.json()["webhooks"].size(); ++i) {
    spec.webhooks.push_back(read_webhook(reader.element("webhooks", i)));
  }
  for (std::size_t i = 0; i < reader.json()["alerts"].size(); ++i) {
    spec.alerts.push_back(read_alert(reader.element("alerts", i), spec, defaults));
  }
}

std::optional<Autoscaler> read_autoscaler(const Reader& reader) {
  if (!reader.present()) return std::nullopt;
  Autoscaler scaler;
  scaler.kind = reader.text("kind");
  scaler.name = reader.text("name");
  scaler.primary_queries = reader.strings("primaryScalerQueries");
  const Reader replicas = reader.child("primaryScalerReplicas");
  if (replicas.json().contains("minReplicas"))
    scaler.primary_min = replicas.integer("minReplicas", 1, 1, any);
  if (replicas.json().contains("maxReplicas"))
    scaler.primary_max = replicas.integer("maxReplicas", 1, 1, any);
  if (scaler.kind != "HorizontalPodAutoscaler" && scaler.kind != "ScaledObject") {
    reader.complain(
        "kind",
        fmt::format("\"{}\" is not supported, use HorizontalPodAutoscaler or ScaledObject", scaler.kind));
  }
  return scaler;
}

}  // namespace

ReadSpec read_spec(const Json& canary, const SpecDefaults& defaults) {
  ReadSpec result;
  Spec& spec = result.spec;
  const Json& metadata = canary["metadata"];
  spec.name = metadata["name"].str();
  spec.ns = metadata["namespace"].str();
  spec.uid = metadata["uid"].str();
  const Reader reader(canary["spec"], "spec", result.problems);
  spec.provider = reader.text("provider");
  spec.metrics_server = reader.text("metricsServer");
  spec.skip_analysis = reader.flag("skipAnalysis");
  spec.revert_on_deletion = reader.flag("revertOnDeletion");
  spec.suspend = reader.flag("suspend");
  const Reader target = reader.child("targetRef");
  spec.target_kind = target.text("kind", "Deployment");
  spec.target_name = target.text("name");
  if (target.text("apiVersion").starts_with("serving.knative.dev/"))
    target.complain("apiVersion", "Knative Services are not supported, use a Service of v1 or a Deployment");
  if (spec.target_name.empty()) target.complain("name", "is required: the workload to release");
  spec.autoscaler = read_autoscaler(reader.child("autoscalerRef"));
  spec.ingress_name = reader.child("ingressRef").text("name");
  if (const Reader upstream = reader.child("upstreamRef"); upstream.present()) {
    spec.upstream = UpstreamRef{upstream.text("name"), upstream.text("namespace", spec.ns)};
  }
  spec.service = read_service(reader.child("service"), spec.target_name);
  const int deadline = reader.integer("progressDeadlineSeconds", 600, 1, any);
  spec.progress_deadline = std::chrono::seconds(deadline);
  read_analysis(reader.child("analysis"), defaults, spec);
  return result;
}

Strategy Spec::strategy() const {
  if (iterations <= 0) return Strategy::canary;
  return has_match() ? Strategy::ab_testing : Strategy::blue_green;
}

int Spec::final_weight() const {
  if (step_weight <= 0 && !step_weights.empty()) return std::min(100, step_weights.back());
  return std::min(100, max_weight);
}

std::vector<Webhook> Spec::hooks(HookType type) const {
  std::vector<Webhook> result;
  std::ranges::copy_if(webhooks, std::back_inserter(result),
                       [&](const Webhook& hook) { return hook.type == type; });
  return result;
}

std::string_view name_of(HookType type) {
  return std::ranges::find(hook_names, type, &std::pair<HookType, std::string_view>::first)->second;
}

std::optional<HookType> parse_hook_type(std::string_view name) {
  const auto it = std::ranges::find(hook_names, name, &std::pair<HookType, std::string_view>::second);
  if (it == std::end(hook_names)) return std::nullopt;
  return it->first;
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warn:
      return "warn";
    case Severity::error:
      return "error";
  }
  return "info";
}

std::string_view name_of(Strategy strategy) {
  switch (strategy) {
    case Strategy::canary:
      return "canary";
    case Strategy::ab_testing:
      return "ab-testing";
    case Strategy::blue_green:
      return "blue-green";
  }
  return "canary";
}

}  // namespace serin::canary
