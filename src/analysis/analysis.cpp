#include "analysis/analysis.h"

#include <fmt/format.h>

#include <cctype>

#include "analysis/template.h"
#include "base/base64.h"

namespace serin::analysis {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using canary::Metric;
using canary::Spec;

namespace {

/// Skipper spells names with '_' for every character that is not part of a word.
void keep_words_only(TemplateScope& scope) {
  for (std::string* name : {&scope.name, &scope.ns, &scope.target, &scope.service, &scope.ingress}) {
    for (char& c : *name) {
      if (c != '_' && std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
  }
}

TemplateScope builtin_scope(const Spec& spec, const Metric& metric, const BuiltinQueries& queries) {
  TemplateScope scope = scope_of(spec, metric);
  if (queries.word_names_only) keep_words_only(scope);
  return scope;
}

std::string template_namespace(const Spec& spec, const Metric& metric) {
  return metric.template_namespace.empty() ? spec.ns : metric.template_namespace;
}

/// The cause as the reference's listers word it; anything but absence is the server's own text.
std::string lookup_failure(const base::Error& error, std::string_view kind, std::string_view name) {
  if (error.code == Errc::not_found) return fmt::format("{} \"{}\" not found", kind, name);
  return error.message;
}

void read_headers(const Json& provider, PrometheusOptions& into) {
  for (const Json::Member& header : provider["headers"].members()) {
    for (const Json& value : header.value.items()) into.headers[header.key].push_back(value.str());
  }
}

/// Takes the credentials of a template's secret (spec 08 §9): a token, or user name and password.
Result<void> read_secret(const Json& secret, PrometheusOptions& into) {
  const auto value = [&](std::string_view key) {
    auto decoded = base::base64_decode(secret.get("data", key).str());
    return decoded ? std::move(*decoded) : std::string();
  };
  into.token = value("token");
  if (!into.token.empty()) return {};
  into.username = value("username");
  into.password = value("password");
  if (into.username.empty()) {
    return fail(Errc::invalid, fmt::format("{} credentials does not contain a username", into.name));
  }
  if (into.password.empty()) {
    return fail(Errc::invalid, fmt::format("{} credentials does not contain a password", into.name));
  }
  return {};
}

}  // namespace

Analysis::Analysis(http::Client& client, http::Client& insecure, kube::Api& api, base::Logger log,
                   AnalysisOptions options)
    : client_(client), insecure_(insecure), api_(api), log_(std::move(log)), options_(std::move(options)) {}

// --- One pass

Task<std::vector<Check>> Analysis::evaluate(Spec spec) {
  std::vector<Check> checks;
  for (const Metric& metric : spec.metrics) {
    const std::optional<Builtin> builtin = builtin_of(metric.name);
    if (builtin) {
      Check check = co_await check_builtin(spec, metric, *builtin);
      checks.push_back(std::move(check));
      if (!checks.back().passed()) co_return checks;
    }
    if (!metric.query.empty()) {
      Check check = co_await check_query(spec, metric);
      checks.push_back(std::move(check));
      if (!checks.back().passed()) co_return checks;
    }
    if (!builtin && metric.query.empty() && metric.template_name.empty()) {
      checks.push_back(broken_check(
          metric, "Metric query failed for no usable metrics template and query were configured"));
      co_return checks;
    }
  }
  for (const Metric& metric : spec.metrics) {
    if (metric.template_name.empty()) continue;
    Check check = co_await check_template(spec, metric);
    checks.push_back(std::move(check));
    if (!checks.back().passed()) co_return checks;
  }
  co_return checks;
}

// --- Built-in checks and in-line queries

Result<Prometheus> Analysis::server_of(const Spec& spec) const {
  PrometheusOptions options;
  options.address = spec.metrics_server.empty() ? options_.metrics_server : spec.metrics_server;
  return Prometheus::make(client_, std::move(options));
}

Task<Result<Measurement>> Analysis::measure(Prometheus server, std::string query, TemplateScope scope) {
  auto rendered = render(query, scope);
  if (!rendered) co_return fail(rendered.error().within("rendering query failed"));
  auto measured = co_await server.query(std::move(*rendered));
  if (!measured) co_return fail(measured.error().within("running query failed"));
  co_return measured;
}

Task<Check> Analysis::check_builtin(Spec spec, Metric metric, Builtin builtin) {
  auto server = server_of(spec);
  if (!server) {
    co_return broken_check(
        metric, fmt::format("Error building Prometheus client for URL {}", server.error().message));
  }
  Task<Check> checking = builtin == Builtin::success_rate ? check_success_rate(spec, metric, *server)
                                                          : check_duration(spec, metric, *server);
  Check check = co_await std::move(checking);
  co_return check;
}

Task<Check> Analysis::check_success_rate(Spec spec, Metric metric, Prometheus server) {
  const BuiltinQueries queries = select_queries(options_.mesh_provider, spec);
  const TemplateScope scope = builtin_scope(spec, metric, queries);
  auto rate = co_await measure(server, queries.success_rate, scope);
  if (!rate) co_return broken_check(metric, fmt::format("Prometheus query failed: {}", rate.error().message));
  if (!rate->value) {
    // No series of good requests at all: either nobody asked, or every request failed.
    auto requests = co_await measure(server, queries.requests, scope);
    const bool has_traffic = requests && requests->value.value_or(0) > 0;
    if (!has_traffic) co_return no_success_rate(spec, metric, queries.provider, queries.bare_errors);
    rate->value = 0;
  }
  if (options_.on_value) options_.on_value(spec, metric.name, *rate->value);
  co_return judge_success_rate(spec, metric, *rate->value);
}

Task<Check> Analysis::check_duration(Spec spec, Metric metric, Prometheus server) {
  const BuiltinQueries queries = select_queries(options_.mesh_provider, spec);
  auto duration = co_await measure(server, queries.duration, builtin_scope(spec, metric, queries));
  if (!duration) {
    co_return broken_check(metric, fmt::format("Prometheus query failed: {}", duration.error().message));
  }
  if (!duration->value) co_return no_duration(spec, metric, queries.provider);
  const double milliseconds = *duration->value * queries.duration_unit_ms;
  if (options_.on_value) options_.on_value(spec, metric.name, milliseconds / 1000);
  co_return judge_duration(spec, metric, milliseconds);
}

Task<Check> Analysis::check_query(Spec spec, Metric metric) {
  auto server = server_of(spec);
  if (!server) {
    co_return broken_check(
        metric, fmt::format("Error building Prometheus client for URL {}", server.error().message));
  }
  auto rendered = render(metric.query, scope_of(spec, metric));
  if (!rendered) {
    co_return broken_check(
        metric, fmt::format("Metric {} query render error: {}", metric.name, rendered.error().message));
  }
  auto number = co_await server->query(std::move(*rendered));
  if (!number) {
    co_return broken_check(metric, fmt::format("Prometheus query failed for {}: running query failed: {}",
                                               metric.name, number.error().message));
  }
  if (!number->value) co_return no_number(metric);
  if (options_.on_value) options_.on_value(spec, metric.name, *number->value);
  co_return judge_number(spec, metric, *number->value);
}

// --- Templates

Task<Result<Analysis::Template>> Analysis::load_template(Spec spec, Metric metric) {
  const std::string ns = template_namespace(spec, metric);
  const std::string label = fmt::format("{}.{}", metric.template_name, ns);
  auto object = co_await api_.get(kube::resources::metric_templates, ns, metric.template_name);
  if (!object) {
    co_return fail(
        object.error().code,
        fmt::format("{} error: {}", label,
                    lookup_failure(object.error(), "metrictemplate.flagger.app", metric.template_name)));
  }
  const Json& provider = object->get("spec", "provider");
  PrometheusOptions options{.address = provider["address"].str(), .name = provider["type"].str()};
  const std::string type = options.name;
  if (type != "prometheus") {
    co_return fail(
        Errc::invalid,
        fmt::format("{} provider {} error: this provider is not supported, use prometheus", label, type));
  }
  read_headers(provider, options);
  const std::string secret_name = provider.get("secretRef", "name").str();
  if (!secret_name.empty()) {
    auto secret = co_await api_.get(kube::resources::secrets, ns, secret_name);
    if (!secret) {
      co_return fail(secret.error().code,
                     fmt::format("{} secret {} error: {}", label, secret_name,
                                 lookup_failure(secret.error(), "secrets", secret_name)));
    }
    if (auto read = read_secret(*secret, options); !read) {
      co_return fail(Errc::invalid,
                     fmt::format("{} provider {} error: {}", label, type, read.error().message));
    }
  }
  http::Client& client = provider["insecureSkipVerify"].bool_or(false) ? insecure_ : client_;
  auto server = Prometheus::make(client, std::move(options));
  if (!server) {
    co_return fail(Errc::invalid,
                   fmt::format("{} provider {} error: {}", label, type, server.error().message));
  }
  Template loaded{object->get("spec", "query").str(), type, std::move(*server)};
  co_return loaded;
}

Task<Check> Analysis::check_template(Spec spec, Metric metric) {
  auto loaded = co_await load_template(spec, metric);
  if (!loaded) co_return broken_check(metric, fmt::format("Metric template {}", loaded.error().message));
  const std::string label = fmt::format("{}.{}", metric.template_name, template_namespace(spec, metric));
  auto rendered = render(loaded->query, scope_of(spec, metric));
  if (!rendered) {
    co_return broken_check(
        metric, fmt::format("Metric template {} query render error: {}", label, rendered.error().message));
  }
  log_.with("canary", spec.dotted()).debug(fmt::format("Metric template {} query: {}", label, *rendered));
  auto number = co_await loaded->server.query(std::move(*rendered));
  if (!number) {
    co_return broken_check(
        metric, fmt::format("Metric query failed for {}: {}", metric.name, number.error().message));
  }
  if (!number->value) co_return no_template_number(metric);
  if (options_.on_value) options_.on_value(spec, metric.name, *number->value);
  co_return judge_number(spec, metric, *number->value);
}

// --- Availability

Task<Result<void>> Analysis::check_providers(Spec spec) {
  bool server_is_known = false;  // one question is enough for all built-in metrics
  for (const Metric& metric : spec.metrics) {
    if (builtin_of(metric.name)) {
      if (std::exchange(server_is_known, true)) continue;
      const auto server = server_of(spec);
      if (!server) {
        co_return fail(Errc::invalid,
                       fmt::format("error building Prometheus client for URL {}", server.error().message));
      }
      auto online = co_await server->check_online();
      if (!online) co_return fail(online.error().within("prometheus not avaiable"));
    } else if (!metric.template_name.empty()) {
      auto loaded = co_await load_template(spec, metric);
      if (!loaded) co_return fail(loaded.error().code, "metric template " + loaded.error().message);
      auto online = co_await loaded->server.check_online();
      if (online) continue;
      co_return fail(
          online.error().within(fmt::format("{} in metric template {}.{} not avaiable", loaded->provider_type,
                                            metric.template_name, template_namespace(spec, metric))));
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> Analysis::check_server() {
  const auto server = server_of({});
  if (!server) co_return fail(server.error());
  auto online = co_await server->check_online();
  co_return online;
}

}  // namespace serin::analysis
