#include "notify/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "http/loopback_for_tests.h"
#include "kube/fake_api_for_tests.h"
#include "notify/receivers_for_tests.h"

namespace serin::notify {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using base::Json;
using base::Task;
using canary::Severity;
using kube::testing::World;
using Texts = std::vector<std::string>;

canary::Spec podinfo(std::vector<canary::AlertRef> alerts = {}) {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  spec.target_kind = "Deployment";
  spec.alerts = std::move(alerts);
  return spec;
}

Json provider_at(const std::string& name, const std::string& ns, const std::string& address) {
  return Json::object({{"metadata", Json::object({{"name", name}, {"namespace", ns}})},
                       {"spec", Json::object({{"type", "slack"}, {"address", address}})}});
}

struct Scene {
  World world;
  kube::testing::FakeApi api{world.clock};
  testing::Receivers receivers{world.clock};
  Texts proxies;
  testing::Log log;
  base::Random random{1};
  AlertsOptions options;
  std::map<std::string, Json> objects;
  base::TaskGroup group{world.context.get_executor()};
  std::unique_ptr<Alerts> alerts;
  bool flushed = false;

  Scene() {
    api.on_get = [this](const kube::Resource& resource, const std::string& ns,
                        const std::string& name) -> kube::testing::FakeApi::Answer {
      const auto found = objects.find(resource.plural + "/" + ns + "/" + name);
      if (found != objects.end()) return found->second;
      return base::fail(Errc::not_found, resource.group_resource() + " \"" + name + "\" not found");
    };
  }
  Alerts& made() {
    if (!alerts) {
      const ProxiedClient proxied_client =
          [this](const std::string& proxy) -> base::Result<std::unique_ptr<http::Client>> {
        proxies.push_back(proxy);
        if (proxy.starts_with("socks"))
          return base::fail(Errc::invalid, "unsupported protocol scheme \"socks5\"");
        return std::make_unique<testing::Receivers>(world.clock);
      };
      alerts = std::make_unique<Alerts>(api, receivers, proxied_client, world.clock, random, log.logger,
                                        options, world.context.get_executor());
    }
    return *alerts;
  }
  void use_notifier(const std::string& url = "https://hooks.slack.com/services/SECRET") {
    NotifierFlags flags;
    flags.slack_url = url;
    flags.slack_channel = "ops";
    options.notifier = destination_of(flags).value();
  }
  Task<void> play(base::Duration limit) {
    group.spawn(alerts->run());
    flushed = co_await alerts->flush(world.clock.now() + limit);
    group.cancel();
    co_await group.join();
  }
  void run(base::Duration limit = 120s) {
    made();
    world.run(play(limit));
  }
  [[nodiscard]] Texts texts(const std::string& host) const {
    Texts result;
    for (const std::string& body : receivers.bodies(host)) {
      result.push_back(Json::parse(body).value()["attachments"].at(0)["text"].str());
    }
    return result;
  }
};

TEST(Alerts, GoToTheNotifierInOrder) {
  Scene scene;
  scene.use_notifier();
  scene.options.notifier->token = "xoxb-1";
  scene.options.cluster = "east";
  scene.made().send(podinfo(), {Severity::info, "one", true});
  scene.made().send(podinfo(), {Severity::warn, "two"});
  scene.run();
  EXPECT_TRUE(scene.flushed);
  EXPECT_EQ(scene.texts("hooks.slack.com"), (Texts{"one", "two"}));
  const http::Request& request = scene.receivers.sent.at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(request.headers.get("Authorization"), "Bearer xoxb-1");
  EXPECT_THAT(request.body, ::testing::HasSubstr(R"({"title":"Cluster","value":"east","short":false})"));
}

TEST(Alerts, WithoutANotifierNobodyIsTold) {
  Scene scene;
  scene.made().send(podinfo(), {Severity::error, "one"});
  scene.run();
  EXPECT_TRUE(scene.receivers.sent.empty());
}

TEST(Alerts, ProvidersGetTheSeveritiesTheyWant) {
  Scene scene;
  scene.use_notifier();
  std::vector<canary::AlertRef> refs;
  for (const auto& [name, severity] : {std::pair{"all", Severity::info}, std::pair{"some", Severity::warn},
                                       std::pair{"few", Severity::error}}) {
    refs.push_back({name, severity, name, "ops"});
    scene.objects["alertproviders/ops/" + std::string(name)] =
        provider_at(name, "ops", "http://" + std::string(name) + ".test/");
  }
  for (const Severity severity : {Severity::info, Severity::warn, Severity::error}) {
    scene.made().send(podinfo(refs), {severity, std::string(canary::name_of(severity))});
  }
  scene.run();
  EXPECT_EQ(scene.texts("all.test"), (Texts{"info", "warn", "error"}));
  EXPECT_EQ(scene.texts("some.test"), (Texts{"warn", "error"}));
  EXPECT_EQ(scene.texts("few.test"), (Texts{"error"}));
  EXPECT_EQ(scene.texts("hooks.slack.com"), Texts{});  // entries switch the notifier off
}

TEST(Alerts, AddressAndTokenComeFromTheProvidersSecret) {
  Scene scene;
  scene.objects["alertproviders/ops/p"] = Json::object(
      {{"metadata", Json::object({{"name", "p"}, {"namespace", "ops"}})},
       {"spec", Json::object({{"type", "slack"}, {"secretRef", Json::object({{"name", "s"}})}})}});
  scene.objects["secrets/ops/s"] =
      Json::object({{"data", Json::object({{"address", base::base64_encode("http://chat.test/x")},
                                           {"token", base::base64_encode("xoxb-2")}})}});
  scene.made().send(podinfo({{"a", Severity::info, "p", "ops"}}), {Severity::info, "one"});
  scene.run();
  ASSERT_EQ(scene.texts("chat.test"), Texts{"one"});
  EXPECT_EQ(scene.receivers.sent[0].headers.get("Authorization"), "Bearer xoxb-2");
}

TEST(Alerts, WhatIsMissingIsLoggedAndStopsNoOther) {
  Scene scene;
  scene.objects["alertproviders/test/good"] = provider_at("good", "test", "http://good.test/");
  scene.objects["alertproviders/test/keyless"] = Json::object(
      {{"metadata", Json::object({{"name", "keyless"}, {"namespace", "test"}})},
       {"spec", Json::object({{"type", "slack"}, {"secretRef", Json::object({{"name", "s"}})}})}});
  scene.made().send(podinfo({{"a", Severity::info, "absent", "test"},
                             {"b", Severity::info, "keyless", "test"},
                             {"c", Severity::info, "good", "test"}}),
                    {Severity::info, "one"});
  scene.run();
  EXPECT_EQ(scene.texts("good.test"), Texts{"one"});
  EXPECT_THAT(scene.log.texts(),
              ::testing::UnorderedElementsAre(
                  "alert provider absent.test error: alertprovider.flagger.app \"absent\" not found",
                  "alert provider keyless.test secretRef error: secrets \"s\" not found"));
  EXPECT_EQ((*scene.log.lines)[0]["canary"].str(), "podinfo.test");
}

TEST(Alerts, ProvidersOfOtherNamespacesCanBeForbidden) {
  Scene scene;
  scene.options.no_cross_namespace_refs = true;
  scene.objects["alertproviders/ops/p"] = provider_at("p", "ops", "http://ops.test/");
  scene.objects["alertproviders/test/p"] = provider_at("p", "test", "http://own.test/");
  scene.made().send(podinfo({{"a", Severity::info, "p", "ops"}, {"b", Severity::info, "p", "test"}}),
                    {Severity::info, "one"});
  scene.run();
  EXPECT_EQ(scene.texts("own.test"), Texts{"one"});
  EXPECT_EQ(scene.texts("ops.test"), Texts{});
  EXPECT_EQ(scene.log.texts(),
            Texts{"can't access alert provider p.ops, cross-namespace references are blocked"});
}

TEST(Alerts, AreRepeatedALittle) {
  Scene scene;
  scene.use_notifier();
  scene.receivers.scripts["hooks.slack.com"] = {http::Response{429, {{"Retry-After", "30"}}, {}},
                                                base::fail(Errc::unavailable, "connection refused")};
  scene.made().send(podinfo(), {Severity::info, "one"});
  const base::MonoTime before = scene.world.clock.now();
  scene.run();
  EXPECT_EQ(scene.texts("hooks.slack.com"), (Texts{"one", "one", "one"}));
  EXPECT_GE(scene.world.clock.now() - before, 32s);
  EXPECT_LE(scene.world.clock.now() - before, 48s);
  EXPECT_EQ(scene.log.texts(), Texts{});
}

TEST(Alerts, FailuresAreLoggedWithoutTheSecretUrl) {
  Scene scene;
  scene.use_notifier();
  scene.receivers.scripts["hooks.slack.com"] = {
      http::Response{404, {}, "no_service"},
      base::fail(Errc::invalid, "Post \"https://hooks.slack.com/services/SECRET\": what"),
      http::Response{200, {}, R"({"ok":false,"error":"invalid_auth"})"}};
  for (int i = 0; i < 3; ++i) scene.made().send(podinfo(), {Severity::info, "one"});
  scene.run();
  EXPECT_EQ(
      scene.log.texts(),
      (Texts{"alert can't be sent: postMessage failed: sending notification bad response 404: no_service",
             "alert can't be sent: postMessage failed: sending notification failed to send: Post "
             "\"https://hooks.slack.com/...\": what",
             "alert can't be sent: postMessage failed: sending notification Slack answered invalid_auth"}));
  EXPECT_EQ(scene.receivers.sent.size(), 3u);
}

TEST(Alerts, ADeadReceiverCostsItsTimeoutsOnly) {
  Scene scene;
  scene.receivers.dead["dead.test"] = true;
  scene.objects["alertproviders/test/dead"] = provider_at("dead", "test", "http://dead.test/x");
  scene.objects["alertproviders/test/good"] = provider_at("good", "test", "http://good.test/");
  for (int canary = 0; canary < 300; ++canary) {
    scene.made().send(podinfo({{"a", Severity::info, "dead", "test"}, {"b", Severity::info, "good", "test"}}),
                      {Severity::info, "one"});
  }
  scene.run(3s);
  EXPECT_FALSE(scene.flushed);
  EXPECT_EQ(scene.texts("good.test").size(), 300u);
  EXPECT_EQ(scene.texts("dead.test").size(), 1u);
}

TEST(Alerts, GoThroughTheProvidersProxy) {
  Scene scene;
  scene.use_notifier();
  scene.options.notifier->proxy = "http://proxy:3128";
  scene.made().send(podinfo(), {Severity::info, "one"});
  scene.run();
  EXPECT_EQ(scene.proxies, Texts{"http://proxy:3128"});
  EXPECT_TRUE(scene.receivers.sent.empty());
  EXPECT_EQ(scene.log.texts(), Texts{});
}

TEST(Alerts, AProxyThatCannotBeUsedIsNamed) {
  Scene scene;
  scene.use_notifier();
  scene.options.notifier->proxy = "socks5://proxy:1080";
  scene.made().send(podinfo(), {Severity::info, "one"});
  scene.run();
  EXPECT_EQ(
      scene.log.texts(),
      Texts{"alert can't be sent: postMessage failed: sending notification failed to send: unable to parse "
            "proxy URL, error: unsupported protocol scheme \"socks5\""});
}

/// Takes everything, as the proxy that it is.
Task<void> accept_as_proxy(std::vector<http::Request>* seen, http::Request request,
                           http::Responder& responder) {
  seen->push_back(std::move(request));
  co_await responder.send({});
}

Task<void> post_through(http::Loopback* loop, base::Result<http::Response>* answer) {
  const std::string proxy = "http://u:p@127.0.0.1:" + std::to_string(loop->server->port());
  const auto client = proxied_clients(loop->executor())(proxy);
  if (!client) co_return;
  http::Request request{.method = "POST", .url = {"http", "127.0.0.1", "1", "/hook", {}}};
  *answer = co_await (*client)->send(std::move(request), {});
}

TEST(ProxiedClients, SendEverythingThroughTheProxy) {
  std::vector<http::Request> seen;
  base::Result<http::Response> answer = base::fail(Errc::internal, "not called");
  http::Loopback::run(
      {},
      [&seen](http::Request request, http::Responder& responder) {
        return accept_as_proxy(&seen, std::move(request), responder);
      },
      {}, [&answer](http::Loopback& loop) { return post_through(&loop, &answer); });
  EXPECT_TRUE(answer);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].headers.get("Host"), "127.0.0.1:1");
  EXPECT_EQ(seen[0].headers.get("Proxy-Authorization"), "Basic " + base::base64_encode("u:p"));
}

}  // namespace
}  // namespace serin::notify
