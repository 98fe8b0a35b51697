#include "notify/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::notify {
namespace {

using canary::Severity;

canary::Spec guide_spec() {
  canary::Spec spec;
  spec.name = spec.target_name = "podinfo";
  spec.ns = "test";
  spec.target_kind = "Deployment";
  spec.threshold = 5;
  spec.progress_deadline = std::chrono::seconds(60);
  spec.step_weight = 5;
  spec.max_weight = 50;
  return spec;
}

Message done() {
  return {"podinfo",
          "test",
          Severity::info,
          "Canary analysis completed successfully, promotion finished.",
          {{"Target", "Deployment/podinfo.test"}}};
}

Message failed() {
  return {"podinfo", "test", Severity::error, "Promotion failed, primary not ready: <none> & nothing", {}};
}

TEST(Message, TellsTheFieldsInOrder) {
  const Message message = message_of(guide_spec(), {Severity::info, "text", true}, "east");
  EXPECT_EQ(message.dotted(), "podinfo.test");
  EXPECT_EQ(message.fields, (std::vector<Field>{{"Cluster", "east"},
                                                {"Target", "Deployment/podinfo.test"},
                                                {"Failed checks threshold", "5"},
                                                {"Progress deadline", "60s"},
                                                {"Traffic routing", "Weight step: 5 max: 50"}}));
  EXPECT_EQ(message_of(guide_spec(), {Severity::warn, "text"}, "east").fields,
            (std::vector<Field>{{"Cluster", "east"}}));
  EXPECT_TRUE(message_of(guide_spec(), {Severity::warn, "text"}, "").fields.empty());
}

TEST(Message, TellsTheRoutingOfEachStrategy) {
  const auto routing = [](const canary::Spec& spec) {
    const Message message = message_of(spec, {Severity::info, "text", true}, "");
    return message.fields.back().name == "Traffic routing" ? message.fields.back().value : "";
  };
  canary::Spec spec = guide_spec();
  spec.step_weight = 0;
  EXPECT_EQ(routing(spec), "");
  spec.step_weights = {1, 2, 10, 40};
  EXPECT_EQ(routing(spec), "Weight steps: 1,2,10,40 max: 40");
  spec.iterations = 10;
  EXPECT_EQ(routing(spec), "Blue/Green");
  spec.match = base::Json::array({base::Json::object()});
  EXPECT_EQ(routing(spec), "A/B Testing");
}

TEST(Message, TextsAreShortAndValid) {
  const std::string text = message_of(guide_spec(), {Severity::info, std::string(2999, 'x') + "ü"}, "").text;
  EXPECT_EQ(text, std::string(2999, 'x') + "…");
  EXPECT_EQ(message_of(guide_spec(), {Severity::info, "a\xff"}, "").text, "a\xef\xbf\xbd");
}

TEST(Body, Slack) {
  const Dialect slack{Service::slack, "general", "flagger"};
  EXPECT_EQ(
      body_of(done(), slack),
      R"({"channel":"general","username":"flagger","icon_url":"","icon_emoji":":rocket:",)"
      R"("attachments":[{"color":"good","author_name":"podinfo.test",)"
      R"("text":"Canary analysis completed successfully, promotion finished.",)"
      R"("mrkdwn_in":["text"],"fields":[{"title":"Target","value":"Deployment/podinfo.test","short":false}]}]})");
  EXPECT_EQ(body_of(failed(), slack),
            R"({"channel":"general","username":"flagger","icon_url":"","icon_emoji":":rocket:",)"
            R"("attachments":[{"color":"danger","author_name":"podinfo.test",)"
            R"("text":"Promotion failed, primary not ready: &lt;none&gt; &amp; nothing",)"
            R"("mrkdwn_in":["text"],"fields":[]}]})");
}

TEST(Body, WarningsAreGoodAsInTheReference) {
  Message warning = failed();
  warning.severity = Severity::warn;
  EXPECT_THAT(body_of(warning, {Service::slack, "c", "u"}), ::testing::HasSubstr(R"("color":"good")"));
}

TEST(Body, Discord) {
  EXPECT_EQ(body_of(failed(), {Service::discord, "general", "flagger"}),
            R"({"channel":"general","username":"flagger","icon_url":"","icon_emoji":":rocket:",)"
            R"("attachments":[{"color":"danger","author_name":"podinfo.test",)"
            R"("text":"Promotion failed, primary not ready: <none> & nothing",)"
            R"("mrkdwn_in":["text"],"fields":[]}]})");
}

TEST(Body, RocketChat) {
  const Dialect rocket{Service::rocket, "ops", "serin"};
  EXPECT_EQ(
      body_of(done(), rocket),
      R"({"channel":"ops","username":"serin","icon_url":"","icon_emoji":":rocket:",)"
      R"("attachments":[{"color":"#0076D7","author_name":"podinfo.test",)"
      R"("text":"Canary analysis completed successfully, promotion finished.",)"
      R"("mrkdwn_in":["text"],"fields":[{"title":"Target","value":"Deployment/podinfo.test","short":false}]}]})");
  EXPECT_THAT(body_of(failed(), rocket), ::testing::HasSubstr(R"("color":"#FF0000")"));
}

TEST(Body, Teams) {
  EXPECT_EQ(
      body_of(done(), {Service::msteams, "", ""}),
      R"({"@type":"MessageCard","@context":"http://schema.org/extensions","themeColor":"0076D7",)"
      R"("summary":"podinfo.test","sections":[{)"
      R"("activityTitle":"Canary analysis completed successfully, promotion finished.",)"
      R"("activitySubtitle":"podinfo.test","facts":[{"name":"Target","value":"Deployment/podinfo.test"}]}]})");
  EXPECT_EQ(body_of(failed(), {Service::msteams, "", ""}),
            R"({"@type":"MessageCard","@context":"http://schema.org/extensions","themeColor":"FF0000",)"
            R"("summary":"podinfo.test","sections":[{)"
            R"("activityTitle":"Promotion failed, primary not ready: <none> & nothing",)"
            R"("activitySubtitle":"podinfo.test","facts":[]}]})");
}

TEST(Body, TeamsWorkflows) {
  const Dialect adaptive{Service::msteams, "", "", true};
  const std::string head =
      R"({"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{)"
      R"("$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4","body":[)";
  EXPECT_EQ(body_of(done(), adaptive),
            head +
                R"({"type":"TextBlock","text":"Canary analysis completed successfully, promotion finished.",)"
                R"("wrap":true,"weight":"Bolder","color":"Good"},)"
                R"({"type":"TextBlock","text":"podinfo.test","isSubtle":true},)"
                R"({"type":"FactSet","facts":[{"title":"Target","value":"Deployment/podinfo.test"}]}]}}]})");
  EXPECT_EQ(body_of(failed(), adaptive),
            head + R"({"type":"TextBlock","text":"Promotion failed, primary not ready: <none> & nothing",)"
                   R"("wrap":true,"weight":"Bolder","color":"Attention"},)"
                   R"({"type":"TextBlock","text":"podinfo.test","isSubtle":true}]}}]})");
}

TEST(Body, GoogleChat) {
  const std::string header =
      R"({"cards":[{"header":{"title":"Flagger","subtitle":"podinfo.test","imageUrl":"https://flagger.app/favicon.png"},)";
  EXPECT_EQ(
      body_of(done(), {Service::gchat, "", ""}),
      header +
          R"("sections":[{"widgets":[{"textParagraph":{"text":"<font color=#848484><strong>)"
          R"(Canary analysis completed successfully, promotion finished.</strong></font>"}}]},)"
          R"({"widgets":[{"textParagraph":{"text":"Target<br><font color=#848484><strong>Deployment/podinfo.test</strong></font>"}}]}]}]})");
  EXPECT_EQ(
      body_of(failed(), {Service::gchat, "", ""}),
      header + R"("sections":[{"widgets":[{"textParagraph":{"text":"<font color=#848484><strong>)"
               R"(Promotion failed, primary not ready: &lt;none&gt; &amp; nothing</strong></font>"}}]}]}]})");
}

TEST(Body, Webhook) {
  EXPECT_EQ(body_of(done(), {Service::webhook, "", ""}),
            R"({"name":"podinfo","namespace":"test","severity":"info",)"
            R"("message":"Canary analysis completed successfully, promotion finished.",)"
            R"("metadata":{"Target":"Deployment/podinfo.test"}})");
}

TEST(Body, StaysJsonWhateverTheTextSays) {
  const Message message = message_of(guide_spec(), {Severity::error, "say \"hi\"\n\\ \x01 ü", true}, "a\"b");
  for (const Service service : {Service::slack, Service::msteams, Service::discord, Service::rocket,
                                Service::gchat, Service::webhook}) {
    EXPECT_TRUE(base::Json::parse(body_of(message, {service, "c", "u"}))) << title_of(service);
  }
}

TEST(Refusal, IsSeenByStatusAndByWhatServicesSayWithSuccess) {
  const struct {
    Service service;
    int status;
    const char *body, *refusal;
  } cases[] = {
      {Service::slack, 200, "ok", ""},
      {Service::slack, 200, R"({"ok":true})", ""},
      {Service::slack, 200, R"({"ok":false,"error":"channel_not_found"})",
       "Slack answered channel_not_found"},
      {Service::slack, 404, "no_service\n", "bad response 404: no_service"},
      {Service::discord, 204, "", ""},
      {Service::msteams, 202, "", ""},
      {Service::msteams, 200, "1", ""},
      {Service::msteams, 200, "Webhook message delivery failed with error: HTTP error 429",
       "Webhook message delivery failed with error: HTTP error 429"},
      {Service::rocket, 200, R"({"ok":false})", ""},
      {Service::gchat, 302, "", "bad response 302: "},
  };
  for (const auto& c : cases) EXPECT_EQ(refusal_of({c.status, {}, c.body}, c.service), c.refusal) << c.body;
}

}  // namespace
}  // namespace serin::notify
