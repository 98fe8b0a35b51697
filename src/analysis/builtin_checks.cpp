#include "analysis/builtin_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "analysis/template.h"

namespace serin::analysis {

using base::fail;
using base::Result;
using base::Task;

namespace {

/// One look at the series of one source.
struct Sample {
  std::optional<double> value;     ///< percent or milliseconds
  std::optional<double> requests;  ///< in the window; nullopt: could not be told
};

/// Skipper spells names with '_' for every character that is not part of a word.
void keep_words_only(TemplateScope& scope) {
  for (std::string* name : {&scope.name, &scope.ns, &scope.target, &scope.service, &scope.ingress}) {
    for (char& c : *name) {
      if (c != '_' && std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
  }
}

Task<Result<Measurement>> measure(const Provider& server, std::string query, TemplateScope scope) {
  auto rendered = render(query, scope);
  if (!rendered) co_return fail(rendered.error().within("rendering query failed"));
  auto measured = co_await server.query(*std::move(rendered));
  if (!measured) co_return fail(measured.error().within("running query failed"));
  co_return measured;
}

/// Prometheus extrapolates, so that the product is no whole number; but some requests are never none.
std::optional<double> requests_in(std::string_view window, double per_second) {
  const auto length = base::parse_duration(window);
  if (!length) return std::nullopt;
  const double requests = per_second * std::chrono::duration<double>(*length).count();
  return requests > 0 ? std::max(1.0, std::round(requests)) : 0;
}

Task<Result<Sample>> take_sample(const Provider& server, Builtin kind, BuiltinQueries queries,
                                 TemplateScope scope) {
  if (queries.word_names_only) keep_words_only(scope);
  const bool is_rate = kind == Builtin::success_rate;
  auto measured = co_await measure(server, is_rate ? queries.success_rate : queries.duration, scope);
  if (!measured) co_return fail(measured.error());
  Sample sample{.value = measured->value};
  if (sample.value && !is_rate) *sample.value *= queries.duration_unit_ms;

  auto rate = co_await measure(server, queries.requests, scope);
  if (rate) sample.requests = requests_in(scope.interval, rate->value.value_or(0));
  // There is no series of good requests where every request has failed.
  if (is_rate && !sample.value && sample.requests.value_or(0) > 0) sample.value = 0;
  co_return sample;
}

Check judge(const BuiltinCheck& asked, const BuiltinQueries& queries, const Sample& sample,
            const OnValue& on_value) {
  const auto& [kind, spec, metric, mesh_provider] = asked;
  if (kind == Builtin::success_rate) {
    if (!sample.value)
      return no_success_rate(spec, metric, queries.provider, queries.bare_errors, sample.requests);
    if (on_value) on_value(spec, metric.name, *sample.value);
    return judge_success_rate(spec, metric, *sample.value, sample.requests);
  }
  if (!sample.value) return no_duration(spec, metric, queries.provider, sample.requests);
  if (on_value) on_value(spec, metric.name, *sample.value / 1000);
  return judge_duration(spec, metric, *sample.value, sample.requests);
}

}  // namespace

Task<Check> carry_out(BuiltinCheck asked, const Provider& server, const OnValue& on_value) {
  const BuiltinQueries queries = select_queries(asked.mesh_provider, asked.spec);
  const TemplateScope scope = scope_of(asked.spec, asked.metric);
  auto sample = co_await take_sample(server, asked.kind, queries, scope);
  const auto other = linkerd_queries(asked.mesh_provider, asked.spec);
  if (sample && !sample->value && other) {
    auto second = co_await take_sample(server, asked.kind, *other, scope);
    if (second && second->value) sample = std::move(second);
  }
  if (!sample) {
    const Unit unit = asked.kind == Builtin::success_rate ? Unit::percent : Unit::milliseconds;
    co_return broken_check(asked.metric, unit, sample.error().code,
                           fmt::format("Prometheus query failed: {}", sample.error().message));
  }
  co_return judge(asked, queries, *sample, on_value);
}

}  // namespace serin::analysis
