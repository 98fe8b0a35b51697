#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/flags.h"

namespace serin::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Values {
  std::string text = "preset";
  bool toggle = false;
  int integer = 7;
  base::Duration duration = 10s;
  std::vector<std::string> list;
  std::vector<std::string> ignored;
  base::Result<void> outcome;
};

Values parse(const Words& args) {
  Values values;
  Flags flags("test");
  flags.text("text", values.text, "")
      .toggle("toggle", values.toggle, "")
      .integer("integer", values.integer, "")
      .duration("duration", values.duration, "")
      .list("list", values.list, "")
      .without_effect("old", "it is old")
      .without_effect("old-switch", "it is old", true);
  values.outcome = flags.parse(args);
  values.ignored = flags.ignored();
  return values;
}

TEST(Flags, TakeOneDashOrTwoAndBothFormsOfValues) {
  for (const Words& args : {Words{"-text", "x", "-integer=3"}, Words{"--text=x", "--integer", "3"}}) {
    const Values values = parse(args);
    ASSERT_TRUE(values.outcome) << values.outcome.error().message;
    EXPECT_EQ(values.text, "x");
    EXPECT_EQ(values.integer, 3);
  }
}

TEST(Flags, KeepTheirDefaults) {
  const Values values = parse({});
  EXPECT_EQ(values.text, "preset");
  EXPECT_EQ(values.duration, 10s);
}

TEST(Flags, SwitchesTakeNoWordAfterThem) {
  EXPECT_TRUE(parse({"-toggle", "-text", "x"}).toggle);
  EXPECT_FALSE(parse({"-toggle=false"}).toggle);
  EXPECT_THAT(parse({"-toggle", "x"}).outcome.error().message, HasSubstr("unexpected argument: x"));
}

TEST(Flags, ReadDurationsAndLists) {
  const Values values = parse({"-duration=1m30s", "-list", "app,,name"});
  EXPECT_EQ(values.duration, 90s);
  EXPECT_THAT(values.list, ElementsAre("app", "", "name"));
}

TEST(Flags, ReportThoseWithoutEffect) {
  EXPECT_THAT(parse({"-old", "x", "-old-switch", "-old=y"}).ignored,
              ElementsAre("-old has no effect: it is old", "-old-switch has no effect: it is old"));
}

struct Mistake {
  Words args;
  std::string text;
};

TEST(Flags, NameTheMistake) {
  for (const Mistake& mistake : std::vector<Mistake>{
           {{"-nope"}, "flag provided but not defined: -nope"},
           {{"-text"}, "flag needs an argument: -text"},
           {{"-integer", "3x"}, "invalid value \"3x\" for flag -integer: parse error"},
           {{"-integer", "99999999999"},
            "invalid value \"99999999999\" for flag -integer: value out of range"},
           {{"-toggle=maybe"}, "invalid boolean value \"maybe\" for flag -toggle: parse error"},
           {{"-duration", "5"}, "invalid value \"5\" for flag -duration: parse error"},
           {{"-"}, "unexpected argument: -"},
           {{"word"}, "unexpected argument: word"},
       }) {
    const Values values = parse(mistake.args);
    ASSERT_FALSE(values.outcome) << mistake.text;
    EXPECT_EQ(values.outcome.error().message, mistake.text);
  }
}

TEST(ControllerCommand, HasTheReferencesNamesAndDefaults) {
  const Environment nothing({});
  const auto parsed = parse_controller(
      {"-mesh-provider=linkerd", "--metrics-server", "http://prometheus:9090", "-kubeconfig", "/tmp/config",
       "-enable-leader-election", "-selector-labels=app,team", "-interval-min=1s"},
      nothing);
  EXPECT_EQ(parsed.exit_code, -1);
  EXPECT_EQ(parsed.options.kubeconfig, "/tmp/config");
  EXPECT_EQ(parsed.options.port, 8080);
  EXPECT_TRUE(parsed.options.leader_election);
  EXPECT_EQ(parsed.options.interval_min, 1s);
  EXPECT_EQ(parsed.options.drain, 3s);
  EXPECT_THAT(parsed.options.selector_labels, ElementsAre("app", "team"));
}

TEST(ControllerCommand, AcceptsEveryFlagOfTheReference) {
  const Environment nothing({});
  for (const char* flag : {"-threadiness=2", "-slack-user=x", "-enable-config-tracking", "-v=2",
                           "-logtostderr", "-control-loop-interval=10s", "-ingress-class=x"}) {
    EXPECT_EQ(parse_controller({flag}, nothing).exit_code, -1) << flag;
  }
  EXPECT_EQ(parse_controller({"-no-such-flag"}, nothing).exit_code, 2);
}

TEST(ControllerCommand, IsAlsoAProgramOfTheReferencesName) {
  const Environment nothing({});
  EXPECT_EQ(run({"./flagger", "-version"}, nothing, "serin"), 0);
  EXPECT_EQ(run({"./flagger", "-no-such-flag"}, nothing, "serin"), 2);
  EXPECT_EQ(run({"serin", "controller", "-version"}, nothing, "serin"), 0);
}

TEST(ControllerCommand, RemarksOnFlagsWithoutEffect) {
  const controller::Options options =
      parse_controller({"-threadiness=2", "-enable-config-tracking=false"}, Environment({})).options;
  EXPECT_THAT(options.remarks, ElementsAre(HasSubstr("-threadiness has no effect: ")));
  EXPECT_FALSE(options.config_tracking);
}

TEST(ControllerCommand, ReadsTheEnvironment) {
  const Environment environment({"EVENT_WEBHOOK_URL=http://hook", "http_proxy=http://proxy:1", "HTTP_PROXY=",
                                 "NO_PROXY=127.0.0.1", "HOME=/home/me", "KUBERNETES_SERVICE_HOST=10.0.0.1"});
  const controller::Options options = parse_controller({"-event-webhook=http://other"}, environment).options;
  EXPECT_EQ(options.event_webhook, "http://hook");
  EXPECT_EQ(options.http_proxy, "http://proxy:1");
  EXPECT_EQ(options.no_proxy, "127.0.0.1");
  EXPECT_EQ(options.kubernetes_host, "10.0.0.1");
  EXPECT_EQ(options.home_kubeconfig, "/home/me/.kube/config");
}

TEST(LocalUp, KeepsItsDataAmongTheUsersOwn) {
  const auto data = [](Words args, Words environment) {
    return parse_local_up(args, Environment(std::move(environment)), "serin").options.data.string();
  };
  EXPECT_EQ(data({}, {"HOME=/home/me"}), "/home/me/.local/share/serin");
  EXPECT_EQ(data({}, {"HOME=/home/me", "XDG_DATA_HOME=/data"}), "/data/serin");
  EXPECT_EQ(data({"--data", "/here"}, {"HOME=/home/me"}), "/here");
}

TEST(LocalUp, CanLeaveTheControllerOut) {
  const Environment nothing({});
  EXPECT_TRUE(parse_local_up({}, nothing, "serin").options.controller);
  EXPECT_FALSE(parse_local_up({"--no-controller"}, nothing, "serin").options.controller);
  EXPECT_EQ(parse_local_up({"--mesh-provider", "nginx"}, nothing, "serin").options.mesh_provider, "nginx");
  EXPECT_EQ(parse_local_up({"--port", "65536"}, nothing, "serin").exit_code, 2);
}

}  // namespace
}  // namespace serin::cli
