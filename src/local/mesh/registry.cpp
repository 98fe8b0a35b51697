#include "local/mesh/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace serin::local::mesh {

// --- HttpSeries

void HttpSeries::request(base::MonoTime now) {
  ++requests_;
  requests_used_ = now;
}

void HttpSeries::responded(int status, base::Duration latency, base::MonoTime now) {
  auto series = std::ranges::find(latencies_, status, &Latency::status);
  if (series == latencies_.end()) series = latencies_.insert(series, Latency{.status = status});
  const auto ms = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(latency).count()));
  std::size_t bucket = bounds_ms.size() + 1;
  if (ms <= last_bound_ms) {
    bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds_ms, ms) - bounds_ms.begin());
  }
  ++series->buckets[bucket];
  ++series->count;
  series->sum_ms += ms;
  series->used = now;
}

void HttpSeries::ended(const Outcome& outcome, base::MonoTime now) {
  auto series = std::ranges::find(responses_, outcome, &Counter::outcome);
  if (series == responses_.end()) series = responses_.insert(series, Counter{.outcome = outcome});
  ++series->count;
  series->used = now;
}

// --- TransportSeries

void TransportSeries::opened(base::MonoTime now) {
  ++opened_;
  ++open_;
  used_ = now;
}

void TransportSeries::closed(const std::string& errno_name, base::MonoTime now) {
  if (open_ > 0) --open_;
  ++closed_[errno_name];
  used_ = now;
}

// --- Registry

std::shared_ptr<HttpSeries> Registry::http(const kube::ObjectRef& pod, const std::string& labels) {
  std::shared_ptr<HttpSeries>& series = pods_[pod].http[labels];
  if (!series) series = std::make_shared<HttpSeries>();
  return series;
}

std::shared_ptr<TransportSeries> Registry::transport(const kube::ObjectRef& pod, const std::string& labels) {
  std::shared_ptr<TransportSeries>& series = pods_[pod].transports[labels];
  if (!series) series = std::make_shared<TransportSeries>();
  return series;
}

void Registry::keep_only(const std::vector<kube::ObjectRef>& pods) {
  const std::set<kube::ObjectRef> kept(pods.begin(), pods.end());
  std::erase_if(pods_, [&kept](const auto& entry) { return !kept.contains(entry.first); });
}

void Registry::drop_idle(base::MonoTime now) {
  const auto idle = [now](base::MonoTime used) { return now - used > retain_idle; };
  for (auto& [ref, pod] : pods_) {
    for (auto& [labels, series] : pod.http) {
      if (idle(series->requests_used_)) series->requests_ = 0;
      std::erase_if(series->latencies_, [&idle](const auto& each) { return idle(each.used); });
      std::erase_if(series->responses_, [&idle](const auto& each) { return idle(each.used); });
    }
    // A series that a connection still holds stays, empty: its next event must reach the page.
    std::erase_if(pod.http, [](const auto& entry) {
      const HttpSeries& series = *entry.second;
      return entry.second.use_count() == 1 && series.requests_ == 0 && series.latencies_.empty() &&
             series.responses_.empty();
    });
    std::erase_if(pod.transports, [&idle](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->open_ == 0 && idle(entry.second->used_);
    });
  }
}

namespace {

void head(std::string& out, std::string_view family, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {0} {2}\n# TYPE {0} {1}\n", family, type, help);
}

std::string status_label(int status) {
  return status == 0 ? std::string() : fmt::format(",status_code=\"{}\"", status);
}

}  // namespace

void Registry::print_http(const Pod& pod, std::string& out) {
  const auto end = std::back_inserter(out);
  head(out, "request_total", "counter", "Total count of HTTP requests.");
  for (const auto& [labels, series] : pod.http) {
    if (series->requests_ > 0) fmt::format_to(end, "request_total{{{}}} {}\n", labels, series->requests_);
  }
  head(out, "response_latency_ms", "histogram",
       "Elapsed times between a request's headers being received and its response stream completing");
  for (const auto& [labels, series] : pod.http) {
    for (const HttpSeries::Latency& each : series->latencies_) {
      const std::string all = labels + status_label(each.status);
      std::uint64_t below = 0;
      for (std::size_t i = 0; i < each.buckets.size(); ++i) {
        below += each.buckets[i];
        const std::string bound = i < HttpSeries::bounds_ms.size() ? std::to_string(HttpSeries::bounds_ms[i])
                                  : i == HttpSeries::bounds_ms.size()
                                      ? std::to_string(HttpSeries::last_bound_ms)
                                      : "+Inf";
        fmt::format_to(end, "response_latency_ms_bucket{{{},le=\"{}\"}} {}\n", all, bound, below);
      }
      fmt::format_to(end, "response_latency_ms_count{{{}}} {}\n", all, each.count);
      fmt::format_to(end, "response_latency_ms_sum{{{}}} {}\n", all, each.sum_ms);
    }
  }
  head(out, "response_total", "counter", "Total count of HTTP responses.");
  for (const auto& [labels, series] : pod.http) {
    for (const HttpSeries::Counter& each : series->responses_) {
      fmt::format_to(end, "response_total{{{}{},classification=\"{}\",grpc_status=\"\",error=\"{}\"}} {}\n",
                     labels, status_label(each.outcome.status), each.outcome.success ? "success" : "failure",
                     each.outcome.error, each.count);
    }
  }
}

void Registry::print_transports(const Pod& pod, std::string& out) {
  struct Family {
    std::string_view name, type, help;
    std::uint64_t TransportSeries::* value;
  };
  static constexpr Family families[] = {
      {"tcp_open_total", "counter", "Total count of opened connections", &TransportSeries::opened_},
      {"tcp_open_connections", "gauge", "Number of currently-open connections", &TransportSeries::open_},
      {"tcp_read_bytes_total", "counter", "Total count of bytes read from peers", &TransportSeries::read_},
      {"tcp_write_bytes_total", "counter", "Total count of bytes written to peers",
       &TransportSeries::written_},
  };
  const auto end = std::back_inserter(out);
  for (const Family& family : families) {
    head(out, family.name, family.type, family.help);
    for (const auto& [labels, series] : pod.transports) {
      if (series->opened_ == 0) continue;
      fmt::format_to(end, "{}{{{}}} {}\n", family.name, labels, (*series).*family.value);
    }
  }
  head(out, "tcp_close_total", "counter", "Total count of closed connections");
  for (const auto& [labels, series] : pod.transports) {
    for (const auto& [name, count] : series->closed_) {
      fmt::format_to(end, "tcp_close_total{{{},errno=\"{}\"}} {}\n", labels, name, count);
    }
  }
}

std::string Registry::page(const kube::ObjectRef& ref) const {
  std::string out;
  const auto pod = pods_.find(ref);
  if (pod == pods_.end()) return out;
  const bool any_http = std::ranges::any_of(pod->second.http, [](const auto& entry) {
    return entry.second->requests_ > 0 || !entry.second->latencies_.empty() ||
           !entry.second->responses_.empty();
  });
  if (any_http) print_http(pod->second, out);
  const bool any_transport = std::ranges::any_of(pod->second.transports,
                                                 [](const auto& entry) { return entry.second->opened_ > 0; });
  if (any_transport) print_transports(pod->second, out);
  return out;
}

}  // namespace serin::local::mesh
