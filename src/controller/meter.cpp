#include "controller/meter.h"

#include <fmt/format.h>

#include <cmath>

namespace serin::controller {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::string out;
  for (const auto& [name, value] : pairs)
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value));
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

template <class Value>
void family(std::string& out, std::string_view name, std::string_view type, std::string_view help,
            const std::map<std::string, Value>& series) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  for (const auto& [label, value] : series)
    out += fmt::format("{}{{{}}} {}\n", name, label, number(static_cast<double>(value)));
}

std::string of_target(const canary::Spec& spec) {
  return labels({{"name", spec.target_name}, {"namespace", spec.ns}});
}

}  // namespace

PrometheusMeter::PrometheusMeter(std::string version, std::string mesh_provider)
    : version_(std::move(version)), mesh_provider_(std::move(mesh_provider)) {}

void PrometheusMeter::status(const canary::Spec& spec, canary::Phase phase) {
  const double value = phase == canary::Phase::progressing ? 0 : phase == canary::Phase::failed ? 2 : 1;
  status_[of_target(spec)] = value;
}

void PrometheusMeter::weight(const canary::Spec& spec, canary::Routes routes) {
  weight_[labels({{"workload", spec.primary_name()}, {"namespace", spec.ns}})] = routes.primary;
  weight_[labels({{"workload", spec.target_name}, {"namespace", spec.ns}})] = routes.canary;
}

void PrometheusMeter::judged(const canary::Spec& spec, base::Duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  Durations& durations = durations_[of_target(spec)];
  for (std::size_t i = 0; i < duration_bounds.size(); ++i)
    durations.up_to[i] += seconds <= duration_bounds[i];
  ++durations.count;
  durations.sum += seconds;
}

void PrometheusMeter::outcome(const canary::Spec& spec, const canary::CountOutcome& outcome) {
  const std::string label = labels({{"name", spec.target_name},
                                    {"namespace", spec.ns},
                                    {"deployment_strategy", name_of(spec.strategy())},
                                    {"analysis_status", outcome.skipped ? "skipped" : "completed"}});
  ++(outcome.succeeded ? successes_ : failures_)[label];
}

void PrometheusMeter::analysis(const canary::Spec& spec, const std::string& metric, double value) {
  analysis_[labels({{"name", spec.target_name}, {"namespace", spec.ns}, {"metric", metric}})] = value;
}

void PrometheusMeter::request(std::string_view verb, std::string_view resource, int status) {
  ++requests_[labels({{"verb", verb}, {"resource", resource}, {"code", fmt::format("{}", status)}})];
}

void PrometheusMeter::gone(const canary::Spec& spec) {
  const std::string target = of_target(spec);
  const auto of_canary = [&](const auto& series) { return series.first.starts_with(target); };
  status_.erase(target);
  durations_.erase(target);
  weight_.erase(labels({{"workload", spec.primary_name()}, {"namespace", spec.ns}}));
  weight_.erase(labels({{"workload", spec.target_name}, {"namespace", spec.ns}}));
  std::erase_if(analysis_, of_canary);
  std::erase_if(successes_, of_canary);
  std::erase_if(failures_, of_canary);
}

std::string PrometheusMeter::durations() const {
  constexpr std::string_view name = "flagger_canary_duration_seconds";
  std::string out =
      fmt::format("# HELP {0} Seconds spent performing canary analysis.\n# TYPE {0} histogram\n", name);
  for (const auto& [label, each] : durations_) {
    for (std::size_t i = 0; i < duration_bounds.size(); ++i)
      out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, label, duration_bounds[i], each.up_to[i]);
    out += fmt::format("{0}_bucket{{{1},le=\"+Inf\"}} {2}\n{0}_sum{{{1}}} {3}\n{0}_count{{{1}}} {2}\n", name,
                       label, each.count, each.sum);
  }
  return out;
}

std::string PrometheusMeter::text(const Counts& counts) const {
  std::string out;
  family(out, "flagger_info", "gauge", "Flagger version and mesh provider information",
         std::map<std::string, int>{{labels({{"version", version_}, {"mesh_provider", mesh_provider_}}), 1}});
  std::map<std::string, int> totals;
  for (const auto& [ns, count] : counts.canaries) totals[labels({{"namespace", ns}})] = count;
  std::map<std::string, std::size_t> dropped;
  for (const auto& [kind, count] : counts.dropped) dropped[labels({{"kind", kind}})] = count;
  family(out, "flagger_canary_total", "gauge", "Total number of canary object", totals);
  family(out, "flagger_canary_status", "gauge", "Last canary analysis result", status_);
  family(out, "flagger_canary_weight", "gauge", "The virtual service destination weight current value",
         weight_);
  out += durations();
  family(out, "flagger_canary_metric_analysis", "gauge", "Last canary analysis result per metric", analysis_);
  family(out, "flagger_canary_successes_total", "counter", "Total number of canary successes", successes_);
  family(out, "flagger_canary_failures_total", "counter", "Total number of canary failures", failures_);
  family(out, "serin_api_requests_total", "counter", "Requests to the API server.", requests_);
  family(out, "serin_messages_dropped_total", "counter",
         "Messages that were given up before anybody was asked to take them, or that the API server refused.",
         dropped);
  return out;
}

}  // namespace serin::controller
