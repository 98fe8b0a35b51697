#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kube/api.h"

namespace serin::local {

/// NGINX's log format whose lines RequestMetrics counts: fields between tabs.
inline constexpr std::string_view request_log_format =
    R"($namespace\t$ingress_name\t$service_name\t$canary\t$status\t$request_method\t$server_name\t)"
    R"($location_path\t$request_time\t$upstream_response_time)";

/// What requests came through NGINX, as ingress-nginx exports it (spec 07 §8):
/// nginx_ingress_controller_requests and the histograms nginx_ingress_controller_request_duration_seconds
/// and ..._response_duration_seconds (until the backend had answered; without requests that saw none).
/// `ingress` and `service` are the main Ingress's; `canary` names the backend of the canary that was chosen.
class RequestMetrics {
 public:
  /// Counts one line of the log. Lines of no Ingress, and what is no such line, are passed over.
  void count(std::string_view line);
  /// Forgets all Ingresses but these.
  void keep(const std::vector<kube::ObjectRef>& ingresses);
  /// In Prometheus' text format.
  [[nodiscard]] std::string text() const;

 private:
  struct Labels {
    kube::ObjectRef ingress;
    std::string service, canary, status, method, host, path;
    auto operator<=>(const Labels&) const = default;
    [[nodiscard]] std::string text() const;
  };
  /// Upper ends of buckets in seconds, Prometheus' defaults.
  static constexpr std::array bounds = {.005, .01, .025, .05, .1, .25, .5, 1., 2.5, 5., 10.};
  struct Durations {
    std::array<std::uint64_t, bounds.size()> up_to{};
    std::uint64_t count = 0;
    double sum = 0;

    void observe(double seconds);
    [[nodiscard]] std::string text(std::string_view family, const std::string& labels) const;
  };
  struct Series {
    std::uint64_t requests = 0;
    Durations request, response;
  };

  std::map<Labels, Series> series_;
};

}  // namespace serin::local
