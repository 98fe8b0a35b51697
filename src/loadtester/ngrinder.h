#pragma once

#include <cstdint>
#include <string>

#include "loadtester/process.h"
#include "loadtester/remote.h"

namespace serin::loadtester {

/// A performance test of an nGrinder server, as a webhook's metadata describes it (spec 09 §5.5): the test
/// `clone` is copied and the copy started.
struct Ngrinder {
  http::Url server;  ///< target without final slash
  std::string authorization;
  std::int64_t clone = 0;
  base::Duration poll_interval = std::chrono::seconds(1);

  /// Errors (invalid) have the reference's texts.
  static base::Result<Ngrinder> parse(const Metadata& metadata);
};

/// Starts the test and waits for its end. A test that is not wanted any longer (`timeout`, cancellation) is
/// stopped.
base::Task<Finished> run_ngrinder(http::Client& client, base::Clock& clock, Metadata metadata,
                                  base::Duration timeout);

}  // namespace serin::loadtester
