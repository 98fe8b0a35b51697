#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "http/client.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::notify::testing {

/// Receivers of messages, by host. One without a script takes everything with 200; one that is dead answers
/// nothing until the sender's timeout.
class Receivers final : public http::Client {
 public:
  using Answer = base::Result<http::Response>;

  explicit Receivers(base::Clock& clock) : clock_(clock) {}

  base::Task<Answer> send(http::Request request, http::ExchangeOptions options) override {
    const std::string host = request.url.host;
    sent.push_back(request);
    if (dead[host]) {
      co_await clock_.sleep_for(options.timeout);
      co_return base::fail(base::Errc::timeout, "Post \"" + request.url.text() +
                                                    "\": context deadline exceeded (Client.Timeout exceeded "
                                                    "while awaiting headers)");
    }
    std::deque<Answer>& script = scripts[host];
    if (script.empty()) co_return http::Response{};
    Answer answer = std::move(script.front());
    script.pop_front();
    co_return answer;
  }
  base::Task<base::Result<http::StreamingResponse>> open(http::Request, http::ExchangeOptions) override {
    co_return base::fail(base::Errc::internal, "not used");
  }

  /// The bodies that this host was sent, in order.
  [[nodiscard]] std::vector<std::string> bodies(const std::string& host) const {
    std::vector<std::string> result;
    for (const http::Request& request : sent) {
      if (request.url.host == host) result.push_back(request.body);
    }
    return result;
  }

  std::vector<http::Request> sent;
  std::map<std::string, std::deque<Answer>> scripts;
  std::map<std::string, bool> dead;

 private:
  base::Clock& clock_;
};

/// A logger that keeps the texts of its lines.
struct Log {
  std::shared_ptr<std::vector<base::Json>> lines = std::make_shared<std::vector<base::Json>>();
  base::Logger logger{[lines = lines](base::Level, std::string_view line) {
                        lines->push_back(base::Json::parse(line).value_or(base::Json()));
                      },
                      base::Level::debug};

  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const base::Json& line : *lines) result.push_back(line["msg"].str());
    return result;
  }
};

}  // namespace serin::notify::testing
