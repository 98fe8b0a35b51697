#include "base/task.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <optional>

namespace serin::base {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// Runs one task to its end on a context of its own.
void run(std::function<Task<void>(asio::io_context&)> body) {
  asio::io_context context;
  std::exception_ptr failure;
  asio::co_spawn(context, body(context), [&](std::exception_ptr e) { failure = e; });
  context.run();
  if (failure) std::rethrow_exception(failure);
}

Task<void> sleep_then_count(Clock* clock, Duration pause, int* count) {
  co_await clock->sleep_for(pause);
  ++*count;
}

Task<void> fail_with(const char* text) {
  throw std::runtime_error(text);
  co_return;
}

Task<Result<int>> answer(Clock* clock, Duration pause, int value) {
  co_await clock->sleep_for(pause);
  co_return value;
}

Task<void> cancels_and_joins(asio::io_context& context) {
  SystemClock clock;
  int ended = 0;
  TaskGroup group(context.get_executor());
  group.spawn(sleep_then_count(&clock, 1h, &ended));
  group.spawn(sleep_then_count(&clock, 0ms, &ended));
  co_await clock.sleep_for(5ms);
  EXPECT_EQ(group.running(), 1u);
  group.cancel();
  co_await group.join();
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(ended, 1);
  group.spawn(sleep_then_count(&clock, 1h, &ended));  // after cancel: ends at its first suspension
  co_await group.join();
  EXPECT_EQ(ended, 1);
}

TEST(TaskGroup, CancelsAndJoins) {
  run(cancels_and_joins);
}

Task<void> cancel_own_group(TaskGroup* group) {
  group->cancel();
  co_return;
}

Task<void> cancelled_by_a_task_that_never_suspends(asio::io_context& context) {
  SystemClock clock;
  int ended = 0;
  TaskGroup group(context.get_executor());
  group.spawn(sleep_then_count(&clock, 1h, &ended));
  group.spawn(cancel_own_group(&group));
  co_await group.join();
  EXPECT_EQ(ended, 0);
}

TEST(TaskGroup, ATaskMayCancelItsGroupBeforeItSuspends) {
  run(cancelled_by_a_task_that_never_suspends);
}

Task<void> reports_failure(asio::io_context& context) {
  SystemClock clock;
  int ended = 0;
  TaskGroup group(context.get_executor());
  group.spawn(sleep_then_count(&clock, 1h, &ended));
  group.spawn(fail_with("broken"));
  std::string text;
  try {
    co_await group.join();
  } catch (const std::runtime_error& e) {
    text = e.what();
  }
  EXPECT_EQ(text, "broken");
  EXPECT_EQ(ended, 0);
}

TEST(TaskGroup, FirstFailureStopsTheOthers) {
  run(reports_failure);
}

Task<void> deadlines(asio::io_context&) {
  SystemClock clock;
  const Result<int> in_time =
      co_await with_deadline<int>(clock, clock.now() + 1h, answer(&clock, 0ms, 7), "late");
  EXPECT_EQ(in_time, 7);
  const Result<int> late =
      co_await with_deadline<int>(clock, clock.now() + 1ms, answer(&clock, 1h, 7), "late");
  EXPECT_FALSE(late);
  if (!late) EXPECT_EQ(late.error(), (Error{Errc::timeout, "late"}));
}

TEST(WithDeadline, ReturnsTheResultOrTimesOut) {
  run(deadlines);
}

Task<void> outer(Clock* clock, bool* cancelled) {
  try {
    co_await with_deadline<int>(*clock, clock->now() + 1h, answer(clock, 1h, 7), "late");
  } catch (const std::exception& e) {
    *cancelled = is_cancellation(e);
    throw;
  }
}

Task<void> cancels_inner(asio::io_context& context) {
  SystemClock clock;
  bool cancelled = false;
  TaskGroup group(context.get_executor());
  group.spawn(outer(&clock, &cancelled));
  co_await clock.sleep_for(2ms);
  group.cancel();
  co_await group.join();
  EXPECT_TRUE(cancelled);
}

TEST(WithDeadline, PassesCancellationOn) {
  run(cancels_inner);
}

Task<void> wakes(asio::io_context& context) {
  SystemClock clock;
  Wakeup wakeup(context.get_executor());
  wakeup.notify();
  wakeup.notify();
  co_await wakeup.wait();  // the two are kept as one
  const bool again = co_await wakeup.wait_until(clock, clock.now() + 1ms);
  EXPECT_FALSE(again);
  wakeup.notify();
  const bool kept = co_await wakeup.wait_until(clock, clock.now() + 1h);
  EXPECT_TRUE(kept);
}

TEST(Wakeup, KeepsOneNotification) {
  run(wakes);
}

}  // namespace
}  // namespace serin::base
