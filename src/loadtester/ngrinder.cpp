#include "loadtester/ngrinder.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>

#include "base/base64.h"

namespace serin::loadtester {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr base::Duration poll_interval_min = std::chrono::milliseconds(100);
/// How long stopping a test may take, which nobody waits for any longer.
constexpr base::Duration stop_max = std::chrono::seconds(5);

http::Request request_for(const Ngrinder& ngrinder, std::string method, const std::string& path) {
  http::Request request{.method = std::move(method), .url = ngrinder.server, .headers = {}, .body = {}};
  request.url.target += "/perftest/api/" + path;
  request.headers.set("Authorization", ngrinder.authorization);
  return request;
}

base::Task<Result<Json>> fetch(http::Client& client, http::Request request) {
  Result<Json> answer = co_await fetch_json(client, std::move(request));
  if (answer && !(*answer)["success"].bool_or(true)) {
    co_return fail(Errc::rejected, "ngrinder answered " + answer->dump());
  }
  co_return answer;
}

/// A test that was started, from clone to end.
struct Test {
  Ngrinder ngrinder;
  std::string id;  ///< empty until it is started
  bool ended = false;
};

base::Task<Result<void>> run(http::Client& client, base::Clock& clock, Test& test) {
  http::Request start =
      request_for(test.ngrinder, "POST", fmt::format("{}/clone_and_start", test.ngrinder.clone));
  const Result<Json> started = co_await fetch(client, std::move(start));
  if (!started) co_return fail(started.error().within("failed starting ngrinder test"));
  const std::optional<std::int64_t> id = (*started)["id"].as_int();
  if (!id) co_return fail(Errc::rejected, "failed starting ngrinder test: " + started->dump());
  test.id = std::to_string(*id);
  for (;;) {
    co_await clock.sleep_for(test.ngrinder.poll_interval);
    http::Request ask = request_for(test.ngrinder, "GET", test.id + "/status");
    const Result<Json> answer = co_await fetch(client, std::move(ask));
    if (!answer) co_return fail(answer.error().within("failed checking status"));
    const std::string status = (*answer)["status"].at(0)["status_id"].str();
    const bool failed = status == "STOP_BY_ERROR" || status == "CANCELED" || status == "UNKNOWN";
    test.ended = failed || status == "FINISHED";
    if (failed)
      co_return fail(Errc::rejected, fmt::format("ngrinder test {} ended with {}", test.id, status));
    if (test.ended) co_return Result<void>{};
  }
}

base::Task<void> send_stop(http::Client& client, http::Request request) {
  co_await client.send(std::move(request), {});
}

/// Asks for the test's end, also when the task is cancelled.
base::Task<void> stop(http::Client& client, base::Clock& clock, const Test& test) {
  if (test.id.empty() || test.ended) co_return;
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  http::Request request = request_for(test.ngrinder, "PUT", test.id + "?action=stop");
  base::Task<void> sent = send_stop(client, std::move(request));
  co_await base::run_until(clock, clock.now() + stop_max, std::move(sent));
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
}

}  // namespace

Result<Ngrinder> Ngrinder::parse(const Metadata& metadata) {
  for (const char* key : {"server", "clone", "username", "passwd"}) {
    if (metadata.contains(key)) continue;
    return fail(Errc::invalid, "server, clone, username and passwd are required metadata");
  }
  Ngrinder ngrinder;
  const std::string& clone = metadata.at("clone");
  const auto [end, error] = std::from_chars(clone.data(), clone.data() + clone.size(), ngrinder.clone);
  if (error != std::errc() || end != clone.data() + clone.size()) {
    return fail(Errc::invalid, "metadata clone must be integer: " + clone);
  }
  const Result<std::string> password = base::base64_decode(metadata.at("passwd"));
  if (!password) return fail(password.error().within("metadata password is invalid"));
  ngrinder.authorization = "Basic " + base::base64_encode(metadata.at("username") + ":" + *password);
  Result<http::Url> server = parse_server(metadata);
  if (!server) return fail(server.error().within("invalid url"));
  ngrinder.server = std::move(*server);
  std::string& path = ngrinder.server.target;
  path.resize(path.find_last_not_of('/') + 1);
  const auto interval = metadata.find("pollInterval");
  if (interval != metadata.end()) {
    const Result<base::Duration> duration = base::parse_duration(interval->second);
    if (duration) ngrinder.poll_interval = std::max(*duration, poll_interval_min);
  }
  return ngrinder;
}

base::Task<Finished> run_ngrinder(http::Client& client, base::Clock& clock, Metadata metadata,
                                  base::Duration timeout) {
  Result<Ngrinder> ngrinder = Ngrinder::parse(metadata);
  if (!ngrinder) co_return Finished{.failure = ngrinder.error().message};
  Test test{.ngrinder = std::move(*ngrinder), .id = {}};
  Result<void> ended;
  bool cancelled = false;
  try {
    base::Task<Result<void>> task = run(client, clock, test);
    ended = co_await base::with_deadline(clock, clock.now() + timeout, std::move(task), "context timedout");
  } catch (const boost::system::system_error&) {
    cancelled = true;
  }
  co_await stop(client, clock, test);
  if (cancelled) throw boost::system::system_error(asio::error::operation_aborted);
  co_return Finished{.failure = ended ? std::string() : ended.error().message};
}

}  // namespace serin::loadtester
