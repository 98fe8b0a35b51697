#include "notify/alerts.h"

#include <fmt/format.h>

#include "hooks/retry.h"

namespace serin::notify {
namespace {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;

std::string dotted(const canary::AlertRef& ref) {
  return ref.provider_name + "." + ref.provider_namespace;
}

}  // namespace

ProxiedClient proxied_clients(base::Executor executor) {
  return [executor](const std::string& proxy) {
    http::ClientOptions options;
    options.proxy.every = proxy;
    return http::make_client(executor, std::move(options));
  };
}

Alerts::Alerts(kube::Api& api, http::Client& client, ProxiedClient proxied, base::Clock& clock,
               base::Random& random, base::Logger log, AlertsOptions options, base::Executor executor)
    : api_(api),
      client_(client),
      proxied_(std::move(proxied)),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      options_(std::move(options)),
      outbox_(executor, options_.waiting_max, log_, "alerts") {}

void Alerts::send(const canary::Spec& spec, const canary::Alert& alert,
                  const std::shared_ptr<void>& receipt) {
  const Message message = message_of(spec, alert, options_.cluster);
  if (spec.alerts.empty() && options_.notifier) {
    const Destination& notifier = *options_.notifier;
    post(notifier.url.text(), {message, {}, notifier, "alert can't be sent", receipt});
  }
  for (const canary::AlertRef& ref : spec.alerts) {
    if (alert.severity < ref.severity) continue;
    const std::string provider = "alert provider " + dotted(ref);
    post(provider, {message, ref, std::nullopt, provider + " send error", receipt});
  }
}

void Alerts::send(Message message, Destination destination, std::string failure) {
  const std::string receiver = destination.url.text();
  post(receiver, {std::move(message), {}, std::move(destination), std::move(failure)});
}

void Alerts::post(const std::string& receiver, Letter letter) {
  outbox_.post(receiver, [this, letter = std::move(letter)] { return deliver(letter); });
}

Task<void> Alerts::deliver(Letter letter) {
  for (int number = 1;; ++number) {
    const Attempt result = co_await attempt(letter, number);
    if (result.error.empty()) co_return;
    if (!result.again || number >= options_.attempts_max) {
      log_.with("canary", letter.message.dotted()).error(result.error);
      co_return;
    }
    // Never less than a server wished for, and not all controllers in the same moment.
    const double stretched = static_cast<double>(result.pause.count()) * (1 + random_.fraction() / 2);
    co_await clock_.sleep_for(base::Duration(static_cast<base::Duration::rep>(stretched)));
  }
}

Task<Alerts::Attempt> Alerts::attempt(Letter letter, int number) {
  Attempt result;
  if (!letter.destination) {
    Result<Destination> found = co_await find(letter.provider, letter.message.ns);
    if (!found) {
      const Errc code = found.error().code;
      result.error = found.error().message;
      result.again = code == Errc::unavailable || code == Errc::timeout;
      result.pause = hooks::pause_after(number, fail(found.error()), clock_.wall_now());
      co_return result;
    }
    letter.destination = *std::move(found);
  }
  const Destination& destination = *letter.destination;
  const Service service = destination.dialect.service;
  std::string body = body_of(letter.message, destination.dialect);
  const Result<http::Response> answer = co_await transmit(destination, std::move(body));
  const std::string cause =
      answer ? refusal_of(*answer, service) : "failed to send: " + answer.error().message;
  if (cause.empty()) co_return result;
  result.error = redacted(
      fmt::format("{}: postMessage failed: sending notification {}", letter.failure, cause), destination.url);
  // A connector of Teams reports limits, which pass, with status 200.
  const bool limited = service == Service::msteams && answer && cause.contains("429");
  result.again = limited || hooks::worth_repeating(answer);
  result.pause = hooks::pause_after(number, answer, clock_.wall_now());
  co_return result;
}

/// Reads the AlertProvider and its Secret. Errors are log lines.
Task<Result<Destination>> Alerts::find(canary::AlertRef ref, std::string canary_ns) {
  const std::string who = "alert provider " + dotted(ref);
  if (options_.no_cross_namespace_refs && ref.provider_namespace != canary_ns) {
    co_return fail(Errc::forbidden,
                   fmt::format("can't access {}, cross-namespace references are blocked", who));
  }
  const Result<Json> provider =
      co_await api_.get(kube::resources::alert_providers, ref.provider_namespace, ref.provider_name);
  if (!provider) {
    const bool missing = provider.error().code == Errc::not_found;
    co_return fail(
        provider.error().code,
        fmt::format("{} error: {}", who,
                    missing ? fmt::format("alertprovider.flagger.app \"{}\" not found", ref.provider_name)
                            : provider.error().message));
  }
  const std::string secret_name = secret_name_of(*provider);
  if (secret_name.empty()) co_return destination_of(*provider, Json());
  const Result<Json> secret =
      co_await api_.get(kube::resources::secrets, ref.provider_namespace, secret_name);
  if (!secret) co_return fail(secret.error().within(who + " secretRef error"));
  co_return destination_of(*provider, *secret);
}

Task<Result<http::Response>> Alerts::transmit(Destination destination, std::string body) {
  http::Request request;
  request.method = "POST";
  request.url = destination.url;
  request.headers = {{"Content-Type", "application/json"}};
  if (!destination.token.empty()) request.headers.add("Authorization", "Bearer " + destination.token);
  request.body = std::move(body);
  const http::ExchangeOptions limits{
      .timeout = options_.timeout, .body_max = 64u << 10, .redirects_max = 10, .redirects_stay = true};
  // A client of its own a message: few are sent, and a corrected proxy counts at once.
  std::unique_ptr<http::Client> proxied;
  if (!destination.proxy.empty()) {
    Result<std::unique_ptr<http::Client>> made = proxied_(destination.proxy);
    if (!made) co_return fail(Errc::invalid, "unable to parse proxy URL, error: " + made.error().message);
    proxied = *std::move(made);
  }
  http::Client& client = proxied ? *proxied : client_;
  Result<http::Response> answer = co_await client.send(std::move(request), limits);
  co_return answer;
}

}  // namespace serin::notify
