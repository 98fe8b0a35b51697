#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "base/task.h"
#include "http/client.h"
#include "kube/api.h"
#include "kube/cache.h"
#include "local/metrics/child.h"
#include "local/metrics/scrape_targets.h"

namespace serin::local {

struct PrometheusOptions {
  std::filesystem::path program = "/usr/bin/prometheus";
  std::filesystem::path directory;  ///< its configuration, storage and log; made if absent
  std::uint16_t port = 9090;        ///< on 127.0.0.1
  std::string metrics_address;      ///< host:port of the mesh's metrics pages
  std::string ingress_address;      ///< host:port of the ingress's; empty: there is none
  base::Duration ready_within = std::chrono::seconds(30);
};

/// What stores the metrics: a Prometheus of our own as a child process, which scrapes every pod's page each
/// second and is told of pods by a file.
class Prometheus {
 public:
  Prometheus(PrometheusOptions options, Spawner& spawner, http::Client& client, kube::Api& api,
             base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor);
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;

  /// Writes the configuration, starts the child and returns when it answers queries. Errors: not_found when
  /// it is not installed (with what to install), unavailable or timeout when it ends or keeps silent (with
  /// the end of its log).
  base::Task<base::Result<void>> start();
  /// After start(): follows the pods and starts the child again, with growing pauses, whenever it ends.
  /// Until cancelled; the child is then killed.
  base::Task<void> run();

  /// "http://127.0.0.1:9090"
  [[nodiscard]] std::string url() const;

 private:
  base::Result<void> prepare();
  base::Result<void> launch();
  base::Task<base::Result<void>> wait_ready();
  base::Task<void> keep_alive();
  base::Task<void> write_targets();
  [[nodiscard]] std::string log_tail() const;

  PrometheusOptions options_;
  Spawner& spawner_;
  http::Client& client_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  base::Executor executor_;
  base::Wakeup changed_;
  kube::Cache pods_, replica_sets_;
  std::unique_ptr<Child> child_;
  std::string written_;
};

/// The configuration file of such a Prometheus.
std::string prometheus_configuration(const std::filesystem::path& target_file,
                                     const std::string& ingress_address);

/// Replaces a file's content in one step, so that no reader sees half of it.
base::Result<void> write_atomically(const std::filesystem::path& file, std::string_view text);

}  // namespace serin::local
