#include "hooks/caller.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace serin::hooks {
namespace {

using base::Errc;

/// What an event may show of an answer: one line, no control characters, not too long.
std::string excerpt(std::string_view body) {
  std::string out;
  for (const char c : body.substr(0, 512)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  const auto last = out.find_last_not_of(' ');
  out.erase(last == std::string::npos ? 0 : last + 1);
  return out;
}

/// The pause before another attempt: 1 s, 2 s, 4 s ... at most 30 s; Retry-After in seconds wins.
base::Duration pause_after(int number, std::string_view retry_after) {
  int seconds = 0;
  const auto [end, error] =
      std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (!retry_after.empty() && error == std::errc() && seconds >= 0) return std::chrono::seconds(seconds);
  return std::chrono::seconds(std::min(30, 1 << std::min(number - 1, 5)));
}

}  // namespace

Webhooks::Webhooks(http::Client& client, http::Client& insecure, base::Clock& clock)
    : client_(client), insecure_(insecure), clock_(clock) {}

base::Task<Webhooks::Attempt> Webhooks::attempt(canary::Webhook hook, std::string body, http::Url url,
                                                int number) {
  http::Request request;
  request.method = "POST";
  request.url = url;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  http::ExchangeOptions options;
  options.timeout = hook.timeout;
  options.body_max = 64u << 10;
  http::Client& client = hook.disable_tls ? insecure_ : client_;
  const std::string gave_up = fmt::format("POST {} giving up after {} attempt(s)", url.text(), number);
  const base::Result<http::Response> answer = co_await client.send(std::move(request), options);
  Attempt result;
  if (!answer) {
    // An answer that is too long is an answer: asking again brings no shorter one.
    result.again = answer.error().code != Errc::rejected && answer.error().code != Errc::invalid;
    result.pause = pause_after(number, "");
    result.text = fmt::format("{}: {}", gave_up, answer.error().message);
    co_return result;
  }
  const int status = answer->status;
  if (status <= 202) {
    result.passed = true;
    co_return result;
  }
  result.again = status == 429 || (status >= 500 && status != 501);
  if (result.again) {
    const bool told = status == 429 || status == 503;
    result.pause = pause_after(number, told ? answer->headers.get("Retry-After") : "");
    result.text =
        fmt::format("{}: {} {}: {}", gave_up, status, http::reason_phrase(status), excerpt(answer->body));
  } else {
    result.text = excerpt(answer->body);
    if (result.text.empty()) result.text = fmt::format("{} {}", status, http::reason_phrase(status));
  }
  co_return result;
}

base::Task<base::Result<void>> Webhooks::call(canary::Webhook hook, std::string body) {
  const base::Result<http::Url> url = http::Url::parse(hook.url);
  if (!url) co_return base::fail(url.error());
  for (int number = 1;; ++number) {
    const Attempt result = co_await attempt(hook, body, *url, number);
    if (result.passed) co_return base::Result<void>();
    if (!result.again || number > hook.retries) co_return base::fail(Errc::rejected, result.text);
    co_await clock_.sleep_for(result.pause);
  }
}

}  // namespace serin::hooks
