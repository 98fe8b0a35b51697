#include "hooks/caller.h"

#include <fmt/format.h>

#include "base/text.h"
#include "hooks/retry.h"

namespace serin::hooks {
namespace {

using base::Errc;

/// What an event shows of an answer.
std::string excerpt(const http::Response& answer) {
  return base::one_line(answer.body, 512);
}

std::string status_line(const http::Response& answer) {
  return fmt::format("{} {}", answer.status, http::reason_phrase(answer.status));
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
  options.redirects_max = 10;
  options.redirects_stay = true;
  http::Client& client = hook.disable_tls ? insecure_ : client_;
  const base::Result<http::Response> answer = co_await client.send(std::move(request), options);
  Attempt result;
  result.passed = answer && answer->status <= 202;
  if (result.passed) co_return result;
  const std::string gave_up = fmt::format("POST {} giving up after {} attempt(s)", url.text(), number);
  result.again = worth_repeating(answer);
  result.pause = pause_after(number, answer, clock_.wall_now());
  if (!answer) {
    result.text = fmt::format("{}: {}", gave_up, answer.error().message);
  } else if (result.again) {
    result.text = fmt::format("{}: {}: {}", gave_up, status_line(*answer), excerpt(*answer));
  } else {
    result.text = excerpt(*answer);
    if (result.text.empty()) result.text = status_line(*answer);
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
