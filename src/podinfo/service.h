#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "http/client.h"
#include "http/server.h"
#include "podinfo/config.h"
#include "podinfo/metrics.h"

namespace serin::podinfo {

/// Who this podinfo says it is.
struct Identity {
  std::string version;  ///< "6.0.1": in the reference compiled in, here the image's tag
  std::string hostname;
  std::vector<std::string> environment;  ///< "NAME=value" each, for /env
};

/// podinfo's HTTP API (spec 11 §9) behind its port. What it refers to must outlive it.
class Service {
 public:
  /// `exit_process` is what /panic calls, with the exit code.
  Service(Config config, Identity identity, base::Clock& clock, base::Random& random, http::Client& client,
          std::function<void(int)> exit_process, base::Logger log);

  /// Answers one request to the main port.
  base::Task<void> handle(http::Request request, http::Responder& responder);
  /// Answers one request to the metrics port.
  base::Task<void> handle_metrics_port(http::Request request, http::Responder& responder);
  /// Turns /healthz and /readyz to 503.
  void begin_shutdown();
  /// How many requests are being answered.
  [[nodiscard]] std::size_t active() const { return active_; }

 private:
  /// One request on its way; `status` is 0 while (and if) nothing was answered.
  struct Call {
    http::Request request;
    http::Target target;
    std::string parameter;  ///< what stands for the {…} of the route
    http::Responder& responder;
    int status = 0;
  };
  using Action = base::Task<void> (Service::*)(Call& call);
  struct Route;
  static const std::vector<Route>& routes();

  base::Task<void> dispatch(Call& call, const Route& route);
  base::Task<void> send(Call& call, http::Response response);
  base::Task<bool> misbehave(Call& call);

  base::Task<void> index(Call& call);
  base::Task<void> info(Call& call);
  base::Task<void> show_version(Call& call);
  base::Task<void> healthz(Call& call);
  base::Task<void> readyz(Call& call);
  base::Task<void> enable_ready(Call& call);
  base::Task<void> disable_ready(Call& call);
  base::Task<void> fault_injection(Call& call);
  base::Task<void> answer_status(Call& call);
  base::Task<void> delay(Call& call);
  base::Task<void> env(Call& call);
  base::Task<void> headers(Call& call);
  base::Task<void> echo(Call& call);
  base::Task<void> echo_backends(Call& call);
  base::Task<void> make_token(Call& call);
  base::Task<void> validate_token(Call& call);
  base::Task<void> configs(Call& call);
  base::Task<void> store_write(Call& call);
  base::Task<void> store_read(Call& call);
  base::Task<void> cache(Call& call);
  base::Task<void> chunked(Call& call);
  base::Task<void> panic(Call& call);
  base::Task<void> metrics(Call& call);
  [[nodiscard]] base::Json info_json() const;

  Config config_;
  Identity identity_;
  base::Clock& clock_;
  base::Random& random_;
  http::Client& client_;
  std::function<void(int)> exit_process_;
  base::Logger log_;
  Metrics metrics_;
  bool healthy_, ready_;
  bool faults_ = false;
  std::size_t active_ = 0;
};

}  // namespace serin::podinfo
