#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "canary/model_world.h"

namespace serin::canary {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// --- commands

/// Somebody gives the command as soon as this phase is recorded.
void command_at(ModelWorld& world, Phase phase, Command::Verb verb) {
  world.before = [&world, phase, verb, done = false](const Action& action) mutable {
    const auto* saved = std::get_if<SaveStatus>(&action);
    if (!saved || saved->status.phase != phase || std::exchange(done, true)) return;
    world.command.verb = verb;
    world.command.by = " by ann: too many complaints";
  };
}

TEST(Commands, RollbackWhileProgressing) {
  ModelWorld world = initialized();
  command_at(world, Phase::progressing, Command::Verb::rollback);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::failed);
  EXPECT_TRUE(world.saw("Rolling back podinfo.test asked for by ann: too many complaints"));
  EXPECT_FALSE(world.command.verb);
  EXPECT_EQ(world.primary.revision, "A");
  EXPECT_THAT(world.violations, IsEmpty());
}

// Scenario 10.
TEST(Commands, RollbackWhilePromotingRestoresThePrimary) {
  for (const Phase phase : {Phase::promoting, Phase::finalising}) {
    SCOPED_TRACE(name_of(phase));
    ModelWorld world = initialized();
    command_at(world, phase, Command::Verb::rollback);
    world.push("B");
    world.settle();
    EXPECT_EQ(world.status.phase, Phase::failed);
    EXPECT_EQ(world.primary.revision, "A");
    EXPECT_EQ(world.routes, (Routes{100, 0}));
    EXPECT_EQ(world.target.wanted, 0);
    EXPECT_THAT(world.violations, IsEmpty());
  }
}

// Scenario 11.
TEST(Commands, NothingToRollBackAtRest) {
  ModelWorld world = initialized();
  world.command.verb = Command::Verb::rollback;
  world.settle();
  EXPECT_THAT(world.texts(), ElementsAre("Nothing to rollback for podinfo.test"));
  EXPECT_FALSE(world.command.verb);
  EXPECT_EQ(world.status.phase, Phase::initialized);
}

TEST(Commands, ApprovalOpensTheGateThatIsClosed) {
  for (const HookType type : {HookType::confirm_rollout, HookType::confirm_promotion}) {
    SCOPED_TRACE(name_of(type));
    ModelWorld world = initialized(gated(type));
    open_after(world, 100000);
    const Phase waiting = type == HookType::confirm_rollout ? Phase::waiting : Phase::waiting_promotion;
    command_at(world, waiting, Command::Verb::approve);
    world.push("B");
    world.settle();
    EXPECT_EQ(world.status.phase, Phase::succeeded);
    EXPECT_FALSE(world.command.verb);
  }
}

TEST(Commands, PromoteSkipsTheRest) {
  ModelWorld world = initialized();
  command_at(world, Phase::progressing, Command::Verb::promote);
  world.push("B");
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.primary.revision, "B");
  EXPECT_FALSE(world.saw("Advance podinfo.test canary weight 60"));
}

TEST(Commands, RestartTriesAFailedRevisionAgain) {
  ModelWorld world = initialized();
  bool bad = true;
  world.check = [&] { return bad ? std::string("Halt bad") : std::string(); };
  world.push("B");
  world.settle();
  ASSERT_EQ(world.status.phase, Phase::failed);
  bad = false;
  world.command.verb = Command::Verb::restart;
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_EQ(world.primary.revision, "B");
}

TEST(Commands, PausedMeansNoStepAndNoStart) {
  ModelWorld world = initialized();
  world.push("B");
  world.check = [&] {
    world.command.paused = true;
    return std::string();
  };
  world.settle(std::chrono::hours(5));
  EXPECT_EQ(world.status.phase, Phase::progressing);
  EXPECT_EQ(world.status.canary_weight, 40);
  world.check = [] { return std::string(); };
  world.command.paused = false;
  world.settle();
  EXPECT_EQ(world.status.phase, Phase::succeeded);
  EXPECT_TRUE(world.saw("Paused podinfo.test"));
  EXPECT_TRUE(world.saw("Resumed podinfo.test"));
}

}  // namespace
}  // namespace serin::canary
