#pragma once

#include <chrono>
#include <string>

#include "loadtester/process.h"
#include "loadtester/remote.h"

namespace serin::loadtester {

/// A process of a Concord server, as a webhook's metadata describes it (spec 09 §5.4).
struct Concord {
  http::Url server;
  std::string api_key;  ///< what the file apiKeyPath holds
  Metadata form;        ///< the fields that start the process
  std::chrono::seconds poll_interval{5}, poll_timeout{30};

  /// Reads the key's file. Errors (invalid) name the first field that is missing or wrong.
  static base::Result<Concord> parse(const Metadata& metadata);
};

/// Starts the process and waits for its end, no longer than `timeout`.
base::Task<Finished> run_concord(http::Client& client, base::Clock& clock, Metadata metadata,
                                 base::Duration timeout);

}  // namespace serin::loadtester
