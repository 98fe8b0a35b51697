#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "base/task.h"
#include "local/ingress/request_metrics.h"

namespace serin::local {

/// Counts what NGINX writes into its log, which is a pipe: nothing is stored. NGINX never waits for it
/// longer than this process is busy, whose mesh its requests pass anyway.
class RequestLog {
 public:
  explicit RequestLog(base::Executor executor) : pipe_(std::move(executor)) {}

  /// Makes the pipe if it is not there, and holds it open, so that NGINX can open it at any time.
  base::Result<void> open(const std::filesystem::path& file);
  /// After open(): until cancelled.
  base::Task<void> run();
  [[nodiscard]] RequestMetrics& metrics() { return metrics_; }

 private:
  boost::asio::posix::stream_descriptor pipe_;
  RequestMetrics metrics_;
};

/// Makes a named pipe if it is not there, and opens it for reading and writing, without blocking: writers
/// always find a reader.
base::Result<int> open_pipe(const std::filesystem::path& file);

}  // namespace serin::local
