#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <cstdio>

#include "base/log.h"
#include "http/client.h"
#include "podinfo/run.h"

namespace serin::podinfo {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;
using base::fail;
using base::Result;

/// `podcli check …` (spec 11 §10).
struct Check {
  std::string kind;  ///< "http" or "tcp"
  std::string address;
  std::string method = "GET";
  std::string body;
  int retry = 0;  ///< attempts after the first
  base::Duration delay = std::chrono::seconds(1);
  base::Duration timeout = std::chrono::seconds(5);
};

Result<void> set_option(Check& check, const std::string& name, const std::string& value) {
  if (name == "method") {
    check.method = value;
  } else if (name == "body") {
    check.body = value;
  } else if (name == "retry") {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), check.retry);
    if (error != std::errc() || end != value.data() + value.size()) {
      return fail(Errc::invalid, "invalid argument for --retry: " + value);
    }
  } else if (name == "delay" || name == "timeout") {
    const Result<base::Duration> duration = base::parse_duration(value);
    if (!duration) return fail(duration.error());
    (name == "delay" ? check.delay : check.timeout) = *duration;
  } else {
    return fail(Errc::invalid, "unknown flag: --" + name);
  }
  return {};
}

Result<Check> parse_check(const std::vector<std::string>& args) {
  Check check;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!args[i].starts_with("--")) {
      words.push_back(args[i]);
      continue;
    }
    const auto equals = args[i].find('=');
    const std::string name = args[i].substr(2, equals == std::string::npos ? equals : equals - 2);
    if (equals == std::string::npos && i + 1 == args.size()) {
      return fail(Errc::invalid, "flag needs an argument: --" + name);
    }
    const std::string value = equals == std::string::npos ? args[++i] : args[i].substr(equals + 1);
    if (auto set = set_option(check, name, value); !set) return fail(set.error());
  }
  if (words.size() != 3 || words[0] != "check" || (words[1] != "http" && words[1] != "tcp")) {
    return fail(Errc::invalid,
                "usage: podcli check http|tcp ADDRESS [--method GET] [--body TEXT] [--retry 0] [--delay 1s] "
                "[--timeout 5s]");
  }
  check.kind = words[1];
  check.address = words[2];
  return check;
}

base::Task<Result<void>> attempt_http(http::Client& client, Check check) {
  const bool whole = check.address.starts_with("http://") || check.address.starts_with("https://");
  Result<http::Url> url = http::Url::parse(whole ? check.address : "http://" + check.address);
  if (!url) co_return fail(url.error());
  http::Request request{check.method, *url, {}, check.body};
  const Result<http::Response> response =
      co_await client.send(std::move(request), {.timeout = check.timeout, .redirects_max = 10});
  if (!response) co_return fail(response.error());
  if (response->status < 200 || response->status >= 400) {
    co_return fail(Errc::rejected, fmt::format("status code {}", response->status));
  }
  co_return Result<void>{};
}

base::Task<Result<void>> attempt_tcp(Check check) {
  const auto colon = check.address.rfind(':');
  if (colon == std::string::npos) co_return fail(Errc::invalid, "missing port in address " + check.address);
  const base::Executor executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  boost::system::error_code error;
  const auto found =
      co_await resolver.async_resolve(check.address.substr(0, colon), check.address.substr(colon + 1),
                                      asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Errc::unavailable, error.message());
  tcp::socket socket(executor);
  co_await asio::async_connect(socket, found, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Errc::unavailable, error.message());
  co_return Result<void>{};
}

base::Task<void> run_check(http::Client& client, base::Clock& clock, Check check, base::Logger log,
                           int& exit_code) {
  // Before the first attempt only: that is what the reference does, and probes are timed by it.
  co_await clock.sleep_for(check.delay);
  for (int attempt = 0; attempt <= check.retry; ++attempt) {
    base::Task<Result<void>> task = check.kind == "http" ? attempt_http(client, check) : attempt_tcp(check);
    const Result<void> result =
        co_await base::with_deadline(clock, clock.now() + check.timeout, std::move(task), "timeout");
    if (result) {
      log.with("address", check.address).info("check succeed");
      exit_code = 0;
      co_return;
    }
    log.with("address", check.address).with("error", result.error().message).error("check failed");
  }
}

}  // namespace

int run_podcli(std::vector<std::string> args, World world) {
  if (!args.empty() && args[0] == "version") {
    fmt::print("{}\n", world.version);
    return 0;
  }
  const Result<Check> check = parse_check(args);
  if (!check) {
    fmt::print(stderr, "Error: {}\n", check.error().message);
    return 1;
  }
  const base::Logger log = base::stderr_logger(base::Level::info);
  asio::io_context io(1);
  base::SystemClock clock;
  auto client = http::make_client(io.get_executor(), {.user_agent = "podcli"});
  if (!client) {
    log.error(client.error().message);
    return 1;
  }
  int exit_code = 1;
  bool done = false;
  asio::co_spawn(io, run_check(**client, clock, *check, log, exit_code),
                 [&done](std::exception_ptr) { done = true; });
  // Until the check has ended, not until the client's kept-alive connections have.
  while (!done) io.run_one();
  return exit_code;
}

}  // namespace serin::podinfo
