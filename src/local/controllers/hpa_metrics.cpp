#include "local/controllers/hpa_metrics.h"

#include <fmt/format.h>

#include <cmath>

#include "local/controllers/objects.h"
#include "local/machinery/quantity.h"

namespace serin::local {

using base::WallTime;
using namespace std::chrono_literals;

namespace {

constexpr double tolerance = 0.1;
/// So long after its start a pod's CPU is judged with care: it may still be warming up.
constexpr auto cpu_initialization = 5min;
/// A pod that has not been ready since so soon after its start has never been.
constexpr auto initial_readiness = 30s;

/// A resource quantity in thousandths of its unit; nullopt if it is none.
std::optional<std::int64_t> parse_milli(const Json& quantity) {
  const auto parsed =
      Quantity::parse(quantity.is_string() ? std::string_view(quantity.str()) : quantity.number_text());
  if (!parsed) return std::nullopt;
  return parsed->milli_value();
}

/// Bytes with the largest binary suffix that keeps them whole.
std::string format_bytes(std::int64_t bytes) {
  const std::string text = bytes % 1024 == 0 ? fmt::format("{}Ki", bytes / 1024) : fmt::format("{}", bytes);
  return Quantity::parse(text)->canonical();
}

std::string format_cpu(std::int64_t millicores) {
  return Quantity::parse(fmt::format("{}m", millicores))->canonical();
}

/// One pod, in thousandths of the resource's unit.
struct Sample {
  std::int64_t request = 0;
  std::optional<std::int64_t> used;
  bool warming_up = false;
};

bool is_warming_up(const Json& pod, const PodUsage& usage, WallTime now) {
  const Json& ready = condition_of(pod["status"], "Ready");
  const auto started = parse_time(pod.get("status", "startTime"));
  const auto changed = ready_changed_at(pod);
  if (ready.is_null() || !started || !changed) return true;
  const bool unready = ready["status"].str() == "False";
  if (*started + cpu_initialization > now) return unready || usage.measured_at < *changed + usage.window;
  return unready && *started + initial_readiness > *changed;
}

std::expected<std::int64_t, std::string> request_of(const Json& pod, const std::string& resource) {
  std::int64_t sum = 0;
  for (const Json& container : pod.get("spec", "containers").items()) {
    const auto request = parse_milli(container.get("resources", "requests", resource));
    if (!request) {
      return std::unexpected(fmt::format("missing request for {} in container {} of Pod {}", resource,
                                         container["name"].str(), kube::name_of(pod)));
    }
    sum += *request;
  }
  return sum;
}

/// The samples of the pods that count at all; an error if requests are needed and missing.
std::expected<std::vector<Sample>, std::string> sample(const std::string& resource, bool needs_request,
                                                       const Objects& pods, const PodMetrics& metrics,
                                                       WallTime now) {
  std::vector<Sample> samples;
  for (const Json* pod : pods) {
    const std::string& phase = pod->get("status", "phase").str();
    if (kube::is_being_deleted(*pod) || phase == "Failed" || phase == "Succeeded") continue;
    Sample one;
    if (needs_request) {
      const auto request = request_of(*pod, resource);
      if (!request) return std::unexpected(request.error());
      one.request = *request;
    }
    const auto usage = metrics.usage(kube::ref_of(*pod));
    if (usage) one.used = resource == "cpu" ? usage->cpu_millicores : usage->memory_bytes * 1000;
    one.warming_up = phase == "Pending" || (usage && resource == "cpu" && is_warming_up(*pod, *usage, now));
    samples.push_back(one);
  }
  return samples;
}

/// What the target means for one pod, in thousandths.
double target_of(const Sample& sample, const Json& target, bool utilization) {
  if (utilization) {
    return static_cast<double>(sample.request) * static_cast<double>(target["averageUtilization"].int_or(0)) /
           100;
  }
  return static_cast<double>(parse_milli(target["averageValue"]).value_or(0));
}

struct Sum {
  double used = 0, target = 0;
  int pods = 0;
  void add(double u, double t) {
    used += u;
    target += t;
    ++pods;
  }
  [[nodiscard]] double ratio() const { return target > 0 ? used / target : 1; }
};

int replicas_for(const std::vector<Sample>& samples, int current, const Json& target, bool utilization) {
  Sum measured;
  bool complete = true;
  for (const Sample& s : samples) {
    if (s.used && !s.warming_up) {
      measured.add(static_cast<double>(*s.used), target_of(s, target, utilization));
    } else {
      complete = false;
    }
  }
  const double ratio = measured.ratio();
  const bool growing = ratio > 1;
  const auto rounded = [](double replicas) { return static_cast<int>(std::ceil(replicas - 1e-9)); };
  if (complete) return std::abs(1 - ratio) <= tolerance ? current : rounded(ratio * measured.pods);

  // Fill in what isn't known so that it dampens the change, and let it never turn the change around.
  Sum all = measured;
  for (const Sample& s : samples) {
    const double on_target = target_of(s, target, utilization);
    const double at_least_request = utilization ? std::max<double>(on_target, s.request) : on_target;
    if (s.warming_up) {
      if (growing) all.add(0, on_target);
    } else if (!s.used) {
      all.add(growing ? 0 : at_least_request, on_target);
    }
  }
  const double damped = all.ratio();
  if (std::abs(1 - damped) <= tolerance || growing != (damped > 1)) return current;
  const int replicas = rounded(damped * all.pods);
  return growing ? std::max(current, replicas) : std::min(current, replicas);
}

Json describe(const std::string& resource, const std::vector<Sample>& samples, bool utilization) {
  std::int64_t used = 0, requested = 0, pods = 0;
  for (const Sample& s : samples) {
    if (!s.used || s.warming_up) continue;
    used += *s.used;
    requested += s.request;
    ++pods;
  }
  Json current = Json::object();
  if (utilization) current.set("averageUtilization") = requested > 0 ? used * 100 / requested : 0;
  const std::int64_t mean = pods > 0 ? used / pods : 0;
  current.set("averageValue") = resource == "cpu" ? format_cpu(mean) : format_bytes(mean / 1000);
  return Json::object({{"type", "Resource"},
                       {"resource", Json::object({{"name", resource}, {"current", std::move(current)}})}});
}

}  // namespace

std::expected<Proposal, MetricFailure> propose(const Json& metric, int current_replicas, const Objects& pods,
                                               const PodMetrics& usage, WallTime now) {
  const std::string& type = metric["type"].str();
  if (type != "Resource") {
    return std::unexpected(MetricFailure{
        fmt::format("FailedGet{}Metric", type),
        fmt::format("metrics of type {} are not served here; use type Resource (cpu or memory)", type)});
  }
  const std::string& resource = metric.get("resource", "name").str();
  const Json& target = metric.get("resource", "target");
  const bool utilization = target.contains("averageUtilization");
  const auto failed = [&](std::string_view cause) {
    return std::unexpected(MetricFailure{
        "FailedGetResourceMetric", utilization
                                       ? fmt::format("failed to get {} utilization: {}", resource, cause)
                                       : fmt::format("failed to get {} usage: {}", resource, cause)});
  };
  if (resource != "cpu" && resource != "memory") {
    return failed(fmt::format("resource {} is not measured; cpu and memory are", resource));
  }
  if (!utilization && !parse_milli(target["averageValue"])) {
    return failed("the target has neither averageUtilization nor averageValue");
  }
  const auto samples = sample(resource, utilization, pods, usage, now);
  if (!samples) return failed(samples.error());
  bool any = false, any_ready = false;
  for (const Sample& s : *samples) {
    any |= s.used.has_value();
    any_ready |= s.used && !s.warming_up;
  }
  if (!any) {
    return failed(fmt::format(
        "unable to get metrics for resource {}: no metrics returned from resource metrics API", resource));
  }
  if (!any_ready) return failed("did not receive metrics for targeted pods (pods might be unready)");
  Proposal proposal;
  proposal.replicas = replicas_for(*samples, current_replicas, target, utilization);
  proposal.metric = resource + (utilization ? " resource utilization (percentage of request)" : " resource");
  proposal.current = describe(resource, *samples, utilization);
  return proposal;
}

}  // namespace serin::local
