#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "http/client.h"
#include "kube/api.h"
#include "kube/kubeconfig.h"
#include "kube/rate_limit.h"

namespace serin::kube {

/// One attempt of one request, for the metrics.
struct RequestSample {
  std::string_view verb;      ///< get, list, watch, create, update, patch, delete
  std::string_view resource;  ///< "deployments.apps"; the path itself for get_path
  int status = 0;             ///< 0: no answer
  base::Duration took{};      ///< until the answer was complete (watches: until it began)
};

struct RestOptions {
  double per_second = 100;  ///< requests, watches included; <= 0: no limit
  int burst = 250;
  base::Duration timeout = std::chrono::seconds(30);  ///< of a request with all its attempts
  int attempts_max = 4;
  base::Duration watch_length =
      std::chrono::minutes(5);  ///< the server ends watches between this and twice it
  std::function<void(const RequestSample&)> on_request;
};

/// kube::Api over HTTP. Requests share a rate limit. Reads are tried again, with a jittered pause, when the
/// server is unavailable; writes only when the server has refused them unseen (429 with Retry-After), since
/// any other lost answer may stand for a write that was done.
class RestApi final : public Api {
 public:
  /// The client must have been made with the connection's TlsOptions. All references outlive this.
  RestApi(Connection connection, http::Client& client, base::Clock& clock, base::Random& random,
          RestOptions options);

  base::Task<base::Result<Json>> get(Resource resource, std::string ns, std::string name) override;
  base::Task<base::Result<List>> list(Resource resource, std::string ns, ListOptions options) override;
  base::Task<base::Result<std::unique_ptr<Watch>>> watch(Resource resource, std::string ns,
                                                         std::string resource_version,
                                                         ListOptions options) override;
  base::Task<base::Result<Json>> create(Resource resource, std::string ns, Json object,
                                        WriteOptions options) override;
  base::Task<base::Result<Json>> replace(Resource resource, Json object, std::string subresource,
                                         WriteOptions options) override;
  base::Task<base::Result<Json>> patch(Resource resource, std::string ns, std::string name, PatchType type,
                                       Json patch, std::string subresource, WriteOptions options) override;
  base::Task<base::Result<void>> remove(Resource resource, std::string ns, std::string name,
                                        DeleteOptions options) override;
  base::Task<base::Result<Json>> get_path(std::string path) override;

 private:
  /// A request before it is sent.
  struct Call {
    std::string verb, resource;
    std::string method, path, query;
    std::string accept = "application/json";
    std::string content_type, body;

    [[nodiscard]] bool is_read() const { return method == "GET"; }
  };

  base::Task<base::Result<Json>> exchange(Call call);
  base::Task<base::Result<http::Response>> send_with_retries(Call call, base::MonoTime deadline);
  base::Result<http::Request> make_request(const Call& call);
  base::Result<std::string> authorization();
  /// How long to wait before attempt `attempt` + 1; nullopt: the outcome stands.
  std::optional<base::Duration> pause_before_retry(const Call& call, int attempt,
                                                   const base::Result<http::Response>& outcome);
  void count(const Call& call, const base::Result<http::Response>& outcome, base::MonoTime since) const;

  Connection connection_;
  http::Client& client_;
  base::Clock& clock_;
  base::Random& random_;
  RestOptions options_;
  RateLimit limit_;
  std::string token_;  ///< last read from credentials.token_file
  base::MonoTime token_read_at_{};
};

}  // namespace serin::kube
