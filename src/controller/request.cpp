#include "controller/request.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "controller/commands.h"
#include "controller/connection.h"
#include "kube/rest_api.h"

namespace serin::controller {
namespace {

namespace asio = boost::asio;
namespace resources = kube::resources;
using base::Errc;
using base::fail;
using base::Json;

/// The annotations that say it.
Json annotations_for(const RequestOptions& options) {
  Json annotations = Json::object();
  if (options.verb == "pause") {
    annotations.set(pause_annotation) = "true";
  } else if (options.verb == "resume") {
    annotations.set(pause_annotation) = Json();
  } else {
    annotations.set(command_annotation) = options.verb;
  }
  annotations.set(by_annotation) = options.by;
  annotations.set(reason_annotation) = options.reason.empty() ? Json() : Json(options.reason);
  return annotations;
}

/// What the controller has said to it: an Event on the Canary that is no older and names who asked. Empty:
/// none.
base::Task<std::string> answer_to(kube::Api& api, RequestOptions options, std::string since) {
  kube::ListOptions of_canary;
  of_canary.field_selector = fmt::format("involvedObject.name={},involvedObject.kind=Canary", options.name);
  const base::Result<kube::List> events = co_await api.list(resources::events, options.ns, of_canary);
  const std::string by = said_by(options.by, options.reason);
  if (events) {
    for (const Json& event : events->items) {
      const std::string& text = event["message"].str();
      if (event["lastTimestamp"].str() >= since && text.ends_with(by)) co_return text;
    }
  }
  co_return std::string();
}

base::Task<base::Result<std::string>> ask(kube::Api& api, base::Clock& clock, RequestOptions options) {
  const std::string dotted = options.name + "." + options.ns;
  Json patch;
  patch.set("metadata", "annotations") = annotations_for(options);
  const std::string asked = base::format_rfc3339(clock.wall_now());
  const base::Result<Json> patched = co_await api.patch(resources::canaries, options.ns, options.name,
                                                        kube::PatchType::merge, std::move(patch), "", {});
  if (!patched) co_return fail(patched.error().within(fmt::format("{} {}", options.verb, dotted)));
  const base::MonoTime end = clock.now() + std::chrono::seconds(10);
  while (clock.now() < end) {
    co_await clock.sleep_for(std::chrono::milliseconds(200));
    const base::Result<Json> now = co_await api.get(resources::canaries, options.ns, options.name);
    if (!now) co_return fail(now.error().within(dotted));
    const bool taken = now->get("metadata", "annotations", command_annotation).is_null();
    if (!taken) continue;
    const std::string said = co_await answer_to(api, options, asked);
    if (said.empty()) continue;
    co_return fmt::format("{} (phase {}, canary weight {})", said, now->get("status", "phase").str(),
                          now->get("status", "canaryWeight").int_or(0));
  }
  co_return fail(
      Errc::timeout,
      fmt::format("{} {}: it is on the Canary, but no controller has answered within 10 s: it is so "
                  "already, or waits for ready workloads, or no controller is running",
                  options.verb, dotted));
}

}  // namespace

int run_request(RequestOptions options) {
  const auto give_up = [](const base::Error& error) {
    fmt::print(stderr, "serin: {}\n", error.message);
    return 1;
  };
  const base::Result<kube::Connection> connection = connection_of(options.connection);
  if (!connection) return give_up(connection.error());
  asio::io_context context(1);
  auto client = http::make_client(context.get_executor(), {connection->tls, {}, "serin", 2});
  if (!client) return give_up(client.error());
  base::SystemClock clock;
  base::Random random = base::Random::from_system();
  kube::RestApi api(*connection, **client, clock, random, {});
  base::Result<std::string> answer = fail(Errc::internal, "no answer");
  asio::co_spawn(context, ask(api, clock, std::move(options)),
                 [&](std::exception_ptr, base::Result<std::string> result) { answer = std::move(result); });
  context.run();
  if (!answer) return give_up(answer.error());
  fmt::print("{}\n", *answer);
  return 0;
}

}  // namespace serin::controller
