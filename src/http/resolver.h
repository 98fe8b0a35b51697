#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"

namespace serin::http {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// Names to addresses, remembered for a few seconds. The system's look-up cannot be interrupted, so it runs
/// by itself and a cancelled waiter simply leaves; callers for the same name share one look-up.
class Resolver {
 public:
  explicit Resolver(base::Executor executor) : executor_(std::move(executor)) {}

  /// Errors (unavailable) read "lookup H: no such host".
  base::Task<base::Result<Endpoints>> resolve(std::string host, std::string port);

 private:
  struct Lookup;
  std::shared_ptr<Lookup> start(const std::string& host, const std::string& port);

  base::Executor executor_;
  base::SystemClock clock_;
  std::map<std::string, std::shared_ptr<Lookup>> lookups_;  // by "host port"
};

}  // namespace serin::http
