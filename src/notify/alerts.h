#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "canary/action.h"
#include "http/client.h"
#include "kube/api.h"
#include "notify/destination.h"
#include "notify/outbox.h"

namespace serin::notify {

struct AlertsOptions {
  std::optional<Destination> notifier;   ///< for canaries without spec.analysis.alerts
  std::string cluster;                   ///< told with every alert (flag -cluster-name); empty: not told
  bool no_cross_namespace_refs = false;  ///< providers of other namespaces than the canary's are refused
  int attempts_max = 3;                  ///< for each message
  base::Duration timeout = std::chrono::seconds(5);  ///< of one attempt (spec 10 §3)
  std::size_t waiting_max = 1000;
};

/// Makes the client for receivers behind a proxy of their own; the argument is the proxy's URL.
using ProxiedClient = std::function<base::Result<std::unique_ptr<http::Client>>(const std::string& proxy)>;

/// The ProxiedClient of the real world.
ProxiedClient proxied_clients(base::Executor executor);

/// Tells people in their chat rooms about a canary (spec 10), beside the rollout. AlertProviders and their
/// Secrets are read when a message is delivered, so a corrected one is used at once. Failures are repeated a
/// little where that may help, then logged (field `canary`), without the secret part of any URL.
class Alerts {
 public:
  Alerts(kube::Api& api, http::Client& client, ProxiedClient proxied, base::Clock& clock,
         base::Random& random, base::Logger log, AlertsOptions options, base::Executor executor);

  /// To every entry of spec.analysis.alerts that wants this severity; to the notifier if there are no
  /// entries. `receipt` is let go of when everybody has it, or was given up.
  void send(const canary::Spec& spec, const canary::Alert& alert, const std::shared_ptr<void>& receipt = {});
  /// To this destination. `failure` begins the log line when it cannot be delivered.
  void send(Message message, Destination destination, std::string failure);
  /// Delivers what is sent, until cancelled.
  base::Task<void> run() { return outbox_.run(); }
  /// For shutdown, while run() still runs: true when everything is delivered, false at the deadline.
  base::Task<bool> flush(base::MonoTime deadline) { return outbox_.flush(clock_, deadline); }
  [[nodiscard]] std::size_t dropped() const { return outbox_.dropped(); }

 private:
  /// A message on its way: to the destination, or to where the provider says.
  struct Letter {
    Message message;
    canary::AlertRef provider;
    std::optional<Destination> destination;
    std::string failure;
    std::shared_ptr<void> receipt = {};
  };
  struct Attempt {
    std::string error;  ///< the log line; empty: delivered
    bool again = false;
    base::Duration pause{};
  };

  void post(const std::string& receiver, Letter letter);
  base::Task<void> deliver(Letter letter);
  base::Task<Attempt> attempt(Letter letter, int number);
  base::Task<base::Result<Destination>> find(canary::AlertRef ref, std::string canary_ns);
  base::Task<base::Result<http::Response>> transmit(Destination destination, std::string body);

  kube::Api& api_;
  http::Client& client_;
  ProxiedClient proxied_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  AlertsOptions options_;
  Outbox outbox_;
};

}  // namespace serin::notify
