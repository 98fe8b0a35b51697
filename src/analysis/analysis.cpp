#include "analysis/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "analysis/template.h"

namespace serin::analysis {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;
using canary::Metric;
using canary::Spec;

namespace {

Task<void> store(Task<Check> checking, Check* into) {
  *into = co_await std::move(checking);
}

Task<Check> without_source(Metric metric) {
  co_return broken_check(metric, Unit::number, Errc::invalid,
                         "Metric query failed for no usable metrics template and query were configured");
}

Check without_server(const Metric& metric, Unit unit, const base::Error& error) {
  return broken_check(metric, unit, error.code,
                      fmt::format("Error building Prometheus client for URL {}", error.message));
}

/// Whether the numbers that a query gives are those of one workload, and so others for another one.
bool names_target(const std::string& query, const Spec& spec, const Metric& metric) {
  TemplateScope scope = scope_of(spec, metric);
  const Result<std::string> one = render(query, scope);
  scope.target += "-other";
  const Result<std::string> other = render(query, scope);
  return one && other && *one != *other;
}

}  // namespace

Analysis::Analysis(http::Client& client, http::Client& insecure, kube::Api& api, base::Logger log,
                   AnalysisOptions options)
    : client_(client),
      templates_(client, insecure, api, options.no_cross_namespace_refs),
      log_(std::move(log)),
      options_(std::move(options)) {}

// --- One pass

Task<std::vector<Check>> Analysis::evaluate(Spec spec) {
  std::vector<Check> checks = co_await check_all(spec, Side::canary);
  Spec stable = spec;
  stable.target_name = spec.primary_name();
  std::erase_if(stable.metrics, [&](const Metric& metric) {
    return std::ranges::none_of(
        checks, [&](const Check& check) { return check.failed() && check.result.name == metric.name; });
  });
  if (stable.metrics.empty()) co_return checks;
  const std::vector<Check> of_primary = co_await check_all(std::move(stable), Side::primary);
  for (Check& check : checks) {
    if (!check.failed()) continue;
    const auto same = std::ranges::find_if(of_primary, [&](const Check& other) {
      return other.failed() && other.result.value && other.result.name == check.result.name;
    });
    if (same == of_primary.end()) continue;
    check.result.primary_value = same->result.value;
    check.result.text += fmt::format(". {} fails it as well: {}", spec.primary_dotted(), same->result.text);
  }
  co_return checks;
}

Task<std::vector<Check>> Analysis::check_all(Spec spec, Side side) {
  std::vector<Task<Check>> asked = checks_of(spec, side);
  std::vector<Check> checks(asked.size());
  const base::Executor executor = co_await boost::asio::this_coro::executor;
  base::TaskGroup group(executor);
  for (std::size_t i = 0; i < asked.size(); ++i) group.spawn(store(std::move(asked[i]), &checks[i]));
  co_await group.join();
  co_return checks;
}

std::vector<Task<Check>> Analysis::checks_of(const Spec& spec, Side side) {
  std::vector<Task<Check>> checks;
  for (const Metric& metric : spec.metrics) {
    const std::optional<Builtin> builtin = builtin_of(metric.name);
    if (builtin) checks.push_back(check_builtin(spec, metric, *builtin, side));
    if (!metric.query.empty()) checks.push_back(check_query(spec, metric, side));
    if (!builtin && metric.query.empty() && metric.template_name.empty())
      checks.push_back(without_source(metric));
  }
  for (const Metric& metric : spec.metrics) {
    if (!metric.template_name.empty()) checks.push_back(check_template(spec, metric, side));
  }
  return checks;
}

Check Analysis::judge_value(const Spec& spec, const Metric& metric, Side side, double value) {
  if (options_.on_value && side == Side::canary) options_.on_value(spec, metric.name, value);
  return judge_number(spec, metric, value);
}

// --- Built-in checks and in-line queries

Result<Prometheus> Analysis::server_of(const Spec& spec) const {
  PrometheusOptions options;
  options.address = spec.metrics_server.empty() ? options_.metrics_server : spec.metrics_server;
  return Prometheus::make(client_, std::move(options));
}

Task<Check> Analysis::check_builtin(Spec spec, Metric metric, Builtin builtin, Side side) {
  const auto server = server_of(spec);
  if (!server) {
    const Unit unit = builtin == Builtin::success_rate ? Unit::percent : Unit::milliseconds;
    co_return without_server(metric, unit, server.error());
  }
  const bool of_canary = side == Side::canary;
  if (!of_canary && !names_target(select_queries(options_.mesh_provider, spec).requests, spec, metric))
    co_return Check();
  const OnValue nobody, &on_value = of_canary ? options_.on_value : nobody;
  BuiltinCheck asked{builtin, std::move(spec), std::move(metric), options_.mesh_provider};
  Check check = co_await carry_out(std::move(asked), *server, on_value);
  co_return check;
}

Task<Check> Analysis::check_query(Spec spec, Metric metric, Side side) {
  const auto broken = [&](Errc cause, std::string event) {
    return broken_check(metric, Unit::number, cause, std::move(event));
  };
  if (side == Side::primary && !names_target(metric.query, spec, metric)) co_return Check();
  const auto server = server_of(spec);
  if (!server) co_return without_server(metric, Unit::number, server.error());
  auto rendered = render(metric.query, scope_of(spec, metric));
  if (!rendered) {
    co_return broken(Errc::invalid,
                     fmt::format("Metric {} query render error: {}", metric.name, rendered.error().message));
  }
  auto number = co_await server->query(*std::move(rendered));
  if (!number) {
    co_return broken(number.error().code,
                     fmt::format("Prometheus query failed for {}: running query failed: {}", metric.name,
                                 number.error().message));
  }
  if (!number->value) co_return no_number(metric);
  co_return judge_value(spec, metric, side, *number->value);
}

// --- Templates

Task<Check> Analysis::check_template(Spec spec, Metric metric, Side side) {
  const auto broken = [&](Errc cause, std::string event) {
    return broken_check(metric, Unit::number, cause, std::move(event));
  };
  auto loaded = co_await templates_.load(spec, metric);
  if (!loaded) co_return broken(loaded.error().code, "Metric template " + loaded.error().message);
  if (side == Side::primary && !names_target(loaded->query, spec, metric)) co_return Check();
  const std::string label = MetricTemplates::label(spec, metric);
  auto rendered = render(loaded->query, scope_of(spec, metric));
  if (!rendered) {
    co_return broken(Errc::invalid, fmt::format("Metric template {} query render error: {}", label,
                                                rendered.error().message));
  }
  log_.with("canary", spec.dotted()).debug(fmt::format("Metric template {} query: {}", label, *rendered));
  auto number = co_await loaded->provider->query(*std::move(rendered));
  if (!number) {
    co_return broken(number.error().code,
                     fmt::format("Metric query failed for {}: {}", metric.name, number.error().message));
  }
  if (!number->value) co_return no_template_number(metric);
  co_return judge_value(spec, metric, side, *number->value);
}

// --- Availability

Task<Result<void>> Analysis::check_providers(Spec spec) {
  bool server_is_known = false;  // one question is enough for all built-in metrics
  for (const Metric& metric : spec.metrics) {
    if (builtin_of(metric.name)) {
      if (std::exchange(server_is_known, true)) continue;
      const auto server = server_of(spec);
      if (!server) {
        co_return fail(Errc::invalid, "error building Prometheus client for URL " + server.error().message);
      }
      auto online = co_await server->check_online();
      if (!online) co_return fail(online.error().within("prometheus not avaiable"));
    } else if (!metric.template_name.empty()) {
      auto online = co_await check_template_provider(spec, metric);
      if (!online) co_return online;
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> Analysis::check_template_provider(Spec spec, Metric metric) {
  auto loaded = co_await templates_.load(spec, metric);
  if (!loaded) co_return fail(loaded.error().code, "metric template " + loaded.error().message);
  auto online = co_await loaded->provider->check_online();
  if (online) co_return online;
  co_return fail(online.error().within(fmt::format("{} in metric template {} not avaiable", loaded->type,
                                                   MetricTemplates::label(spec, metric))));
}

Task<Result<void>> Analysis::check_server() {
  const auto server = server_of({});
  if (!server) co_return fail(server.error());
  auto online = co_await server->check_online();
  co_return online;
}

}  // namespace serin::analysis
