#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace serin::analysis {

/// The number a query came to. No number is no error: nothing was measured.
struct Measurement {
  std::optional<double> value;
  bool operator==(const Measurement&) const = default;
};

/// How to reach one Prometheus (spec 08 §9.1).
struct PrometheusOptions {
  std::string address;  ///< http(s)://host[:port][/base]; a query in it is dropped, user info kept
  std::string name = "prometheus";  ///< the provider's type, as error texts show it
  std::string token;                ///< of a MetricTemplate's secret; empty: none
  std::string username, password;
  std::map<std::string, std::vector<std::string>> headers;  ///< sent as written
  base::Duration timeout = std::chrono::seconds(5);
};

/// One Prometheus server and its HTTP API.
class Prometheus {
 public:
  /// Errors (invalid): "prometheus address ADDR is not a valid URL". The client outlives this.
  static base::Result<Prometheus> make(http::Client& client, PrometheusOptions options);

  /// An instant query, sent unchanged. NaN and no result are no value; several series, infinities and answers
  /// of another shape are errors, worded behind "running query failed: " by whoever reports them.
  base::Task<base::Result<Measurement>> query(std::string promql) const;
  /// Whether the server answers queries: vector(1) must be 1.
  base::Task<base::Result<void>> check_online() const;

 private:
  Prometheus(http::Client& client, PrometheusOptions options, http::Url url)
      : client_(&client), options_(std::move(options)), url_(std::move(url)) {}

  [[nodiscard]] http::Request make_request(std::string_view promql) const;

  http::Client* client_;
  PrometheusOptions options_;
  http::Url url_;  ///< of the query endpoint
};

/// Reads the answer to an instant query.
base::Result<Measurement> read_query_result(std::string_view body);

}  // namespace serin::analysis
