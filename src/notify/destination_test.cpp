#include "notify/destination.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/yaml.h"

namespace serin::notify {
namespace {

using base::Json;

Json provider(const std::string& spec) {
  Json object =
      base::parse_yaml("{metadata: {name: on-call, namespace: test}, spec: " + spec + "}").value().at(0);
  return object;
}

Json secret(std::initializer_list<Json::Member> texts) {
  Json object = Json::object();
  for (const auto& [key, value] : texts) object.set("data", key) = base::base64_encode(value.str());
  return object;
}

TEST(Destination, OfAProviderWithAnAddress) {
  const auto destination =
      destination_of(provider("{type: slack, address: 'https://hooks.slack.com/T/B/X'}"), {});
  ASSERT_TRUE(destination);
  EXPECT_EQ(destination->dialect.service, Service::slack);
  EXPECT_EQ(destination->dialect.channel, "general");
  EXPECT_EQ(destination->dialect.username, "flagger");
  EXPECT_EQ(destination->url.text(), "https://hooks.slack.com/T/B/X");
  EXPECT_EQ(destination->token, "");
  EXPECT_EQ(destination->proxy, "");
}

TEST(Destination, OfAProviderWithASecret) {
  const Json slack =
      provider("{type: slack, channel: ops, username: serin, proxy: 'http://p:3128', secretRef: {name: s}}");
  EXPECT_EQ(secret_name_of(slack), "s");
  const Json keys = secret({{"address", "https://slack.com/api/chat.postMessage\n"}, {"token", "xoxb-1\n"}});
  const auto destination = destination_of(slack, keys);
  ASSERT_TRUE(destination);
  EXPECT_EQ(destination->url.text(), "https://slack.com/api/chat.postMessage");
  EXPECT_EQ(destination->token, "xoxb-1");
  EXPECT_EQ(destination->proxy, "http://p:3128");
  EXPECT_EQ(destination->dialect.channel, "ops");
  EXPECT_EQ(destination->dialect.username, "serin");
  const auto others = destination_of(provider("{type: rocket, secretRef: {name: s}}"), keys);
  ASSERT_TRUE(others);
  EXPECT_EQ(others->token, "");  // Slack's alone
}

TEST(Destination, OfDiscordIsItsSlackFormat) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://d/a", "https://d/a/slack"},       {"https://d/a/", "https://d/a/slack"},
      {"https://d/a/slack", "https://d/a/slack"}, {"https://d/a?wait=true", "https://d/a/slack?wait=true"},
      {"https://d", "https://d/slack"},
  };
  for (const auto& [address, url] : cases) {
    const auto destination =
        destination_of(provider("{type: discord, address: '" + std::string(address) + "'}"), {});
    ASSERT_TRUE(destination) << address;
    EXPECT_EQ(destination->url.text(), url);
  }
}

TEST(Destination, OfTeamsWorkflowsTakesAdaptiveCards) {
  const auto adaptive = [](const std::string& address) {
    return destination_of(provider("{type: msteams, address: '" + address + "'}"), {})
        .value()
        .dialect.adaptive;
  };
  EXPECT_FALSE(adaptive("https://acme.webhook.office.com/webhookb2/x"));
  EXPECT_TRUE(adaptive("https://prod-1.westus.logic.azure.com:443/workflows/x"));
  EXPECT_TRUE(adaptive("https://x.environment.api.powerplatform.com/y"));
  Json marked = provider("{type: msteams, address: 'https://relay.test/'}");
  marked.set("metadata", "annotations", "flagger.app/teams-format") = "adaptive";
  EXPECT_TRUE(destination_of(marked, {}).value().dialect.adaptive);
}

TEST(Destination, ErrorsNameProviderFieldAndRemedyButNoSecret) {
  const Json wrong = secret({{"address", "hooks.slack.com/T/B/SECRET"}});
  const struct {
    const char* spec;
    const Json* secret;
    const char* error;
  } cases[] = {
      {"{type: pager, address: 'http://x/'}", nullptr,
       "alert provider on-call.test error: provider pager not supported: set spec.type to slack, msteams, "
       "discord, "
       "rocket, gchat or webhook"},
      {"{type: slack, address: ''}", nullptr,
       "alert provider on-call.test error: invalid Slack hook URL: it is empty: set spec.address to the "
       "hook's URL"},
      {"{type: gchat, address: 'chat.google.com/SECRET'}", nullptr,
       "alert provider on-call.test error: invalid Google Chat webhook URL: unsupported protocol scheme "
       "\"\": set "
       "spec.address to the hook's URL"},
      {"{type: slack, secretRef: {name: s}}", nullptr,
       "alert provider on-call.test secret does not contain an address: set the key \"address\" of Secret "
       "s.test to "
       "the hook's URL"},
      {"{type: slack, secretRef: {name: s}}", &wrong,
       "alert provider on-call.test error: invalid Slack hook URL: unsupported protocol scheme \"\": set the "
       "key "
       "\"address\" of Secret s.test to the hook's URL"},
  };
  for (const auto& c : cases) {
    const auto destination = destination_of(provider(c.spec), c.secret ? *c.secret : Json());
    ASSERT_FALSE(destination) << c.spec;
    EXPECT_EQ(destination.error().message, c.error);
  }
}

TEST(Notifier, IsTeamsBeforeSlack) {
  EXPECT_FALSE(destination_of(NotifierFlags{}).value());
  NotifierFlags flags;
  flags.slack_url = "https://hooks.slack.com/T/B/X";
  flags.slack_channel = "ops";
  flags.slack_token = "xoxb-1";
  flags.slack_proxy_url = "http://p:1";
  const auto slack = destination_of(flags).value();
  ASSERT_TRUE(slack);
  EXPECT_EQ(slack->dialect.service, Service::slack);
  EXPECT_EQ(slack->dialect.username, "flagger");
  EXPECT_EQ(slack->token, "xoxb-1");
  EXPECT_EQ(slack->proxy, "http://p:1");
  flags.msteams_url = "https://acme.webhook.office.com/x";
  flags.msteams_proxy_url = "http://q:1";
  const auto teams = destination_of(flags).value();
  ASSERT_TRUE(teams);
  EXPECT_EQ(teams->dialect.service, Service::msteams);
  EXPECT_EQ(teams->token, "");
  EXPECT_EQ(teams->proxy, "http://q:1");
}

TEST(Notifier, BadFlagsAreNamed) {
  NotifierFlags flags;
  flags.slack_url = "https://hooks.slack.com/T/B/X";
  EXPECT_EQ(destination_of(flags).error().message, "empty Slack channel: set -slack-channel");
  flags.slack_channel = "ops";
  flags.slack_user = "";
  EXPECT_EQ(destination_of(flags).error().message, "empty Slack username: set -slack-user");
  flags.slack_url = "hooks.slack.com/SECRET";
  EXPECT_EQ(destination_of(flags).error().message,
            "invalid Slack hook URL: unsupported protocol scheme \"\": mend -slack-url or SLACK_URL");
}

}  // namespace
}  // namespace serin::notify
