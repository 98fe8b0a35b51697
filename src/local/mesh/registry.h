#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "kube/api.h"

namespace serin::local::mesh {

/// How an HTTP exchange ended, as the labels of response_total say it (spec 11 §2).
struct Outcome {
  int status = 0;  ///< 0: it failed without any response; then there is no status_code label
  bool success = false;
  std::string error;  ///< "" or "unclassified"

  auto operator<=>(const Outcome&) const = default;
  /// 500 to 599 are failures, everything else is a success (404 and 429 too).
  static Outcome of_status(int status) { return {status, status < 500 || status > 599, {}}; }
};

/// The HTTP series of one pod for one set of endpoint labels. A series exists from its first event on.
class HttpSeries {
 public:
  void request(base::MonoTime now);
  /// The first byte of the response's body, or the head of an empty one, came after `latency`.
  void responded(int status, base::Duration latency, base::MonoTime now);
  void ended(const Outcome& outcome, base::MonoTime now);

 private:
  friend class Registry;
  static constexpr std::array<std::uint32_t, 24> bounds_ms{
      1,   2,   3,   4,    5,    10,   20,   30,   40,    50,    100,   200,
      300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10000, 20000, 30000, 40000};
  static constexpr std::uint32_t last_bound_ms = 50000;

  struct Latency {
    int status = 0;
    std::array<std::uint64_t, bounds_ms.size() + 2> buckets{};  // the last two: 50000 and +Inf
    std::uint64_t count = 0, sum_ms = 0;
    base::MonoTime used;
  };
  struct Counter {
    Outcome outcome;
    std::uint64_t count = 0;
    base::MonoTime used;
  };

  std::uint64_t requests_ = 0;
  base::MonoTime requests_used_;
  std::vector<Latency> latencies_;
  std::vector<Counter> responses_;
};

/// The connection series of one pod for one set of transport labels.
class TransportSeries {
 public:
  void opened(base::MonoTime now);
  /// `errno_name`: "" for a clean close, else like "ECONNRESET".
  void closed(const std::string& errno_name, base::MonoTime now);
  /// Bytes read from the peer and written to it, without a time: the connection is open meanwhile.
  void read(std::size_t bytes) { read_ += bytes; }
  void written(std::size_t bytes) { written_ += bytes; }

 private:
  friend class Registry;
  std::uint64_t opened_ = 0, open_ = 0, read_ = 0, written_ = 0;
  std::map<std::string, std::uint64_t> closed_;
  base::MonoTime used_;
};

/// The metrics of all pods, by pod. Values only: no clock, no I/O. A series may outlive its pod's page (a
/// request that ends after its pod is gone); it is then counted for nobody.
class Registry {
 public:
  /// How long a series stays without an event.
  static constexpr base::Duration retain_idle = std::chrono::minutes(10);

  /// The series of this pod with these labels (rendered as `a="1",b="2"`), made at the first call.
  std::shared_ptr<HttpSeries> http(const kube::ObjectRef& pod, const std::string& labels);
  std::shared_ptr<TransportSeries> transport(const kube::ObjectRef& pod, const std::string& labels);

  /// Forgets every pod that is not named.
  void keep_only(const std::vector<kube::ObjectRef>& pods);
  /// Drops series whose last event is older than `retain_idle`.
  void drop_idle(base::MonoTime now);
  /// The page of a pod in Prometheus' text format; empty without any series.
  [[nodiscard]] std::string page(const kube::ObjectRef& pod) const;

 private:
  struct Pod {
    std::map<std::string, std::shared_ptr<HttpSeries>> http;
    std::map<std::string, std::shared_ptr<TransportSeries>> transports;
  };
  static void print_http(const Pod& pod, std::string& out);
  static void print_transports(const Pod& pod, std::string& out);

  std::map<kube::ObjectRef, Pod> pods_;
};

}  // namespace serin::local::mesh
