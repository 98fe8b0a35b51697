#include "analysis/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace serin::analysis {

namespace {

/// Where one mesh or ingress leaves its traces in Prometheus (spec 08 §6).
struct Source {
  std::string_view provider;               ///< "gloo*" matches by prefix
  std::string_view requests;               ///< the counter of requests
  std::string_view selector;               ///< what selects the canary's
  std::string_view success;                ///< what selects those that did not fail
  std::string_view latency;                ///< name of the histogram, or summary, of latencies
  std::string_view latency_selector = {};  ///< if it differs
  std::string_view latency_factor = {};    ///< " * 1000" where the query itself turns seconds into ms
  bool is_mean = false;                    ///< no histogram: the mean stands for the 99th percentile
  double latency_unit_ms = 1;
};

constexpr std::string_view linkerd_pods =
    R"(namespace="{{ namespace }}", deployment=~"{{ target }}", direction="inbound")";
constexpr std::string_view linkerd_daemon_pods =
    R"(namespace="{{ namespace }}", daemonset=~"{{ target }}", direction="inbound")";
constexpr std::string_view application_pods =
    R"re(kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)")re";
constexpr std::string_view istio_workload =
    R"(reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}")";
constexpr std::string_view osm_workload =
    R"(destination_namespace="{{ namespace }}", destination_kind="Deployment", destination_name="{{ target }}")";
constexpr std::string_view nginx_ingress =
    R"(namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="")";
constexpr std::string_view traefik_service =
    R"(service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd")";
constexpr std::string_view traefik_count =
    R"(service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf")";
constexpr std::string_view skipper_route =
    R"re(route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?")re";
constexpr std::string_view skipper_count =
    R"re(route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?", le="+Inf")re";

constexpr std::string_view envoy_requests = "envoy_cluster_upstream_rq";
constexpr std::string_view envoy_latency = "envoy_cluster_upstream_rq_time";
constexpr std::string_view envoy_success = R"(envoy_response_code!~"5.*")";

// The first one stands for every unknown provider.
constexpr std::array<Source, 13> sources{{
    {"istio", "istio_requests_total", istio_workload, R"(response_code!~"5.*")",
     "istio_request_duration_milliseconds"},
    {"linkerd", "response_total", linkerd_pods, R"(classification!="failure")", "response_latency_ms"},
    {"appmesh*", envoy_requests, application_pods, envoy_success, envoy_latency},
    {"contour", envoy_requests, R"(envoy_cluster_name=~"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+")",
     envoy_success, envoy_latency},
    {"gloo*", envoy_requests,
     R"(envoy_cluster_name=~"{{ namespace }}-{{ target }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+")",
     envoy_success, envoy_latency},
    {"kuma", envoy_requests, R"(service=~"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+")",
     envoy_success, envoy_latency},
    {"knative", envoy_requests, R"(envoy_cluster_name=~"{{ namespace }}/{{ route }}")", envoy_success,
     envoy_latency},
    {.provider = "nginx",
     .requests = "nginx_ingress_controller_requests",
     .selector = nginx_ingress,
     .success = R"(status!~"5.*")",
     .latency = "nginx_ingress_controller_response_duration_seconds",
     .latency_factor = " * 1000",
     .is_mean = true},
    {.provider = "kubernetes",
     .requests = "http_request_duration_seconds_count",
     .selector = application_pods,
     .success = R"(status!~"5.*")",
     .latency = "http_request_duration_seconds",
     .latency_unit_ms = 1000},
    {.provider = "gatewayapi*",
     .requests = "http_request_duration_seconds_count",
     .selector = application_pods,
     .success = R"(status!~"5.*")",
     .latency = "http_request_duration_seconds",
     .latency_unit_ms = 1000},
    {.provider = "traefik",
     .requests = "traefik_service_request_duration_seconds_bucket",
     .selector = traefik_count,
     .success = R"(code!~"5..")",
     .latency = "traefik_service_request_duration_seconds",
     .latency_selector = traefik_service,
     .latency_factor = " * 1000"},
    {"osm", "osm_request_total", osm_workload, R"(response_code!~"5.*")", "osm_request_duration_ms"},
    {.provider = "apisix",
     .requests = "apisix_http_status",
     .selector = R"(route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+")",
     .success = R"(code!~"5..")",
     .latency = "apisix_http_latency",
     .latency_selector = R"(type=~"request", route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+")"},
}};

constexpr Source skipper{.provider = "skipper",
                         .requests = "skipper_response_duration_seconds_bucket",
                         .selector = skipper_count,
                         .success = R"(code!~"5..")",
                         .latency = "skipper_serve_route_duration_seconds",
                         .latency_selector = skipper_route,
                         .latency_factor = " * 1000",
                         .is_mean = true};

constexpr Source linkerd_daemonset{"linkerd", "response_total", linkerd_daemon_pods,
                                   R"(classification!="failure")", "response_latency_ms"};

bool matches(const Source& source, std::string_view provider) {
  std::string_view pattern = source.provider;
  if (!pattern.ends_with('*')) return provider == pattern;
  pattern.remove_suffix(1);
  return provider.starts_with(pattern);
}

/// The provider string that stands for how a canary is measured (spec 08 §4).
std::string provider_of(std::string_view global, const canary::Spec& spec) {
  std::string provider(global.contains("crossover") ? "crossover" : global);
  if (!spec.provider.empty()) provider = global.contains("linkerd") ? "linkerd" : spec.provider;
  if (spec.target_kind == "Service") provider += ":service";
  return provider;
}

/// "linkerd", "linkerd:service", "smi:v1alpha2", "smi:v1alpha2:linkerd": of the meshes that obey
/// TrafficSplits only Linkerd is supported.
bool is_linkerd(std::string_view provider) {
  return provider.starts_with("linkerd") || (provider.starts_with("smi:") && !provider.contains("istio"));
}

const Source& source_of(std::string_view provider) {
  if (is_linkerd(provider)) provider = "linkerd";
  if (provider == "skipper") return skipper;
  const auto* found =
      std::ranges::find_if(sources, [&](const Source& source) { return matches(source, provider); });
  return found == sources.end() ? sources.front() : *found;
}

/// sum(rate(series{selector}[interval]))
std::string rate(std::string_view series, std::string_view selector) {
  return fmt::format("sum(rate({}{{{}}}[{{{{ interval }}}}]))", series, selector);
}

std::string latency_query(const Source& source) {
  const std::string_view selector =
      source.latency_selector.empty() ? source.selector : source.latency_selector;
  if (source.is_mean) {
    return fmt::format("{} / {}{}", rate(fmt::format("{}_sum", source.latency), selector),
                       rate(fmt::format("{}_count", source.latency), selector), source.latency_factor);
  }
  return fmt::format("histogram_quantile(0.99, sum by (le) (rate({}_bucket{{{}}}[{{{{ interval }}}}]))){}",
                     source.latency, selector, source.latency_factor);
}

BuiltinQueries queries_of(const Source& source, std::string provider) {
  const std::string all = rate(source.requests, source.selector);
  const std::string good = rate(source.requests, fmt::format("{}, {}", source.selector, source.success));
  return {.provider = std::move(provider),
          .success_rate = fmt::format("{} / {} * 100", good, all),
          .requests = all,
          .duration = latency_query(source),
          .duration_unit_ms = source.latency_unit_ms,
          .bare_errors = source.latency_unit_ms != 1,
          .word_names_only = source.provider == "skipper"};
}

}  // namespace

std::optional<Builtin> builtin_of(std::string_view metric_name) {
  if (metric_name == "request-success-rate") return Builtin::success_rate;
  if (metric_name == "request-duration") return Builtin::duration;
  return std::nullopt;
}

BuiltinQueries select_queries(std::string_view global, const canary::Spec& spec) {
  std::string provider = provider_of(global, spec);
  const Source& source = source_of(provider);
  return queries_of(source, std::move(provider));
}

std::optional<BuiltinQueries> linkerd_queries(std::string_view global, const canary::Spec& spec) {
  std::string provider = provider_of(global, spec);
  const bool is_daemonset = spec.target_kind == "DaemonSet";
  if (!provider.starts_with("gatewayapi") && !(is_linkerd(provider) && is_daemonset)) return std::nullopt;
  return queries_of(is_daemonset ? linkerd_daemonset : source_of("linkerd"), std::move(provider));
}

TemplateScope scope_of(const canary::Spec& spec, const canary::Metric& metric) {
  const auto or_target = [&](std::string_view name) {
    return name.empty() ? spec.target_name : std::string(name);
  };
  return {.name = spec.name,
          .ns = spec.ns,
          .target = spec.target_name,
          .service = or_target(spec.service.name),
          .ingress = or_target(spec.ingress_name),
          .route = spec.target_name,
          .interval = metric.interval.empty() ? "1m" : metric.interval,
          .variables = metric.variables};
}

}  // namespace serin::analysis
