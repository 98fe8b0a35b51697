#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace serin::canary {

using base::Json;

/// When a webhook is called (spec 09 §2).
enum class HookType {
  confirm_rollout,
  pre_rollout,
  rollout,
  confirm_traffic_increase,
  confirm_promotion,
  post_rollout,
  rollback,
  event,
};

/// One of spec.analysis.webhooks[] (spec 09 §1).
struct Webhook {
  std::string name;
  std::string url;
  HookType type = HookType::rollout;
  base::Duration timeout = std::chrono::seconds(10);  ///< of one attempt
  std::map<std::string, std::string> metadata;
  int retries = 0;           ///< attempts beyond the first
  bool mute_alert = false;   ///< no "waiting" alerts for the confirm types
  bool disable_tls = false;  ///< https without certificate verification
  bool operator==(const Webhook&) const = default;
};

/// The bounds of a check; a value on a bound passes. With neither, every value passes.
struct Bounds {
  std::optional<double> min, max;
  bool operator==(const Bounds&) const = default;
};

/// One of spec.analysis.metrics[] (spec 08 §2).
struct Metric {
  std::string name;
  std::string interval = "1m";  ///< the query's range window, as written
  double threshold = 0;         ///< deprecated single bound, used only without `range`
  std::optional<Bounds> range;
  std::string query;               ///< in-line PromQL; empty: none
  std::string template_name;       ///< MetricTemplate; empty: none
  std::string template_namespace;  ///< empty: the canary's
  std::map<std::string, std::string> variables;
  bool operator==(const Metric&) const = default;
};

/// How urgent a message to people is; larger is more urgent.
enum class Severity { info, warn, error };

/// One of spec.analysis.alerts[]: who is told, from which severity on (spec 10 §2.2).
struct AlertRef {
  std::string name;
  Severity severity =
      Severity::info;  ///< the least that is sent; info when the field is empty, as documented
  std::string provider_name,
      provider_namespace;  ///< the AlertProvider; its namespace defaults to the canary's
  bool operator==(const AlertRef&) const = default;
};

/// Labels and annotations for one of the three Services.
struct CustomMetadata {
  std::map<std::string, std::string> labels, annotations;
  bool operator==(const CustomMetadata&) const = default;
};

/// spec.service, as far as Services and Linkerd routing use it (spec 03 §3).
struct Service {
  std::string name;  ///< apex name; the target's unless given
  int port = 0;
  std::string port_name = "http";
  Json target_port;  ///< number or name; the port when unset
  std::string app_protocol, traffic_distribution;
  bool port_discovery = false, headless = false;
  std::optional<CustomMetadata> apex, primary, canary;
  std::vector<std::string> unmanaged_labels, unmanaged_annotations;
  Json
      routing;  ///< spec.service as written, for what only a provider's objects take over (match, headers, …)
  bool operator==(const Service&) const = default;
};

/// spec.analysis.sessionAffinity (spec 05 §8).
struct SessionAffinity {
  std::string cookie_name;          ///< keeps users on the canary
  std::string primary_cookie_name;  ///< keeps users on the primary; <cookie_name>-primary if not given
  int max_age = 86400;              ///< seconds since the last answer
  std::string domain, path, same_site;
  bool http_only = false, partitioned = false, secure = false;
  bool operator==(const SessionAffinity&) const = default;
};

/// spec.upstreamRef: the Gloo Upstream whose settings are taken over.
struct UpstreamRef {
  std::string name, ns;
  bool operator==(const UpstreamRef&) const = default;
};

/// spec.autoscalerRef.
struct Autoscaler {
  std::string kind, name;
  std::optional<int> primary_min, primary_max;         ///< primaryScalerReplicas
  std::map<std::string, std::string> primary_queries;  ///< primaryScalerQueries: by trigger (ScaledObject)
  bool operator==(const Autoscaler&) const = default;
};

/// How traffic is moved (spec 03 §4, 01 §6).
enum class Strategy { canary, ab_testing, blue_green };

/// Everything a Canary's spec says that the controller acts on, with defaults applied.
struct Spec {
  std::string name, ns, uid;
  std::string provider;        ///< empty: the controller's
  std::string metrics_server;  ///< empty: the controller's
  std::string target_kind, target_name;
  std::optional<Autoscaler> autoscaler;
  std::string ingress_name;  ///< spec.ingressRef; empty: none
  std::optional<UpstreamRef> upstream;
  Service service;
  base::Duration interval = std::chrono::seconds(60);
  int threshold = 1;
  int max_weight = 100;
  int step_weight = 0;
  std::vector<int> step_weights;
  int step_weight_promotion = 0;
  int iterations = 0;
  bool mirror = false;
  Json match;  ///< spec.analysis.match as written: an array, or null
  std::optional<SessionAffinity> session_affinity;
  int primary_ready_percent = 100, canary_ready_percent = 100;
  std::vector<Metric> metrics;
  std::vector<Webhook> webhooks;
  std::vector<AlertRef> alerts;  ///< any entry switches the controller's own notifier off for this canary
  base::Duration progress_deadline = std::chrono::seconds(600);
  bool skip_analysis = false, revert_on_deletion = false, suspend = false;

  bool operator==(const Spec&) const = default;

  /// "podinfo.test": the canary, its target and its primary as event texts name them (spec 01, C, T and P).
  [[nodiscard]] std::string dotted() const { return name + "." + ns; }
  [[nodiscard]] std::string target_dotted() const { return target_name + "." + ns; }
  [[nodiscard]] std::string primary_name() const { return target_name + "-primary"; }
  [[nodiscard]] std::string primary_dotted() const { return primary_name() + "." + ns; }
  [[nodiscard]] bool has_match() const { return !match.empty(); }
  [[nodiscard]] Strategy strategy() const;
  /// The weight at which the canary has earned its promotion.
  [[nodiscard]] int final_weight() const;
  [[nodiscard]] std::vector<Webhook> hooks(HookType type) const;
};

/// What a controller's flags say about every canary.
struct SpecDefaults {
  base::Duration interval_min =
      std::chrono::seconds(10);          ///< shorter intervals are raised to it (spec 03 §4)
  bool no_cross_namespace_refs = false;  ///< templates and alert providers must be in the canary's namespace
};

/// A spec and everything that is wrong with it. A canary with problems is neither started nor continued.
struct ReadSpec {
  Spec spec;
  std::vector<std::string> problems;  ///< "spec.analysis.stepWeight: 0 never ends the analysis: use 1 to 100"
};

/// Reads a Canary object. Fields of a wrong type count as problems, not as absent.
ReadSpec read_spec(const Json& canary, const SpecDefaults& defaults);

/// The API's name of a hook type ("pre-rollout") and back; nullopt for an unknown name.
std::string_view name_of(HookType type);
std::optional<HookType> parse_hook_type(std::string_view name);
/// "info", "warn", "error".
std::string_view name_of(Severity severity);
/// "canary", "ab-testing", "blue-green": the label of metrics and alerts.
std::string_view name_of(Strategy strategy);

}  // namespace serin::canary
