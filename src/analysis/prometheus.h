#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/provider.h"

namespace serin::analysis {

/// How to reach one Prometheus (spec 08 §9.1).
struct PrometheusOptions {
  std::string address;  ///< http(s)://host[:port][/base]; a query in it is dropped, user info kept
  std::string name = "prometheus";  ///< the provider's type, as error texts show it
  std::string token;                ///< wins over user name and password; empty: none
  std::string username, password;
  std::map<std::string, std::vector<std::string>> headers;  ///< sent as written
  base::Duration timeout = std::chrono::seconds(5);         ///< of a query, redirects and answer included
};

/// What a MetricTemplate's settings mean here. With a secret, it must hold `token`, or `username` and
/// `password`; errors (invalid) name the key that is missing or cannot be sent.
base::Result<PrometheusOptions> prometheus_options(ProviderSettings settings);

/// One Prometheus server and its HTTP API.
class Prometheus final : public Provider {
 public:
  /// Errors (invalid): "prometheus address ADDR is not a valid URL". The client outlives this.
  static base::Result<Prometheus> make(http::Client& client, PrometheusOptions options);

  /// An instant query, sent unchanged. NaN and no result are no value. Errors are worded behind "running
  /// query failed: " by whoever reports them:
  ///  * timeout, unavailable: no answer, 5xx, 429, an infinite value, an answer that says it is partial;
  ///  * internal: no answer that Prometheus would give;
  ///  * rejected: other 4xx, several series, ranges, strings, histograms, more than 1 MiB.
  base::Task<base::Result<Measurement>> query(std::string promql) const override;
  /// vector(1) must be 1.
  base::Task<base::Result<void>> check_online() const override;

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
