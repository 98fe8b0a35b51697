#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace serin::base {

using Executor = boost::asio::any_io_executor;

/// A coroutine. Parameters are taken by value. Expected failures come back as Result; the one exception that
/// travels through coroutines is cancellation (boost::system::system_error, operation_aborted), and only
/// TaskGroup and with_deadline catch it.
template <class T = void>
using Task = boost::asio::awaitable<T>;

/// Whether this exception is a cancellation; call it inside a catch block.
bool is_cancellation(const std::exception& e);

/// The time of the world a component lives in: the real one, or a simulation's.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  [[nodiscard]] virtual MonoTime now() const = 0;
  /// Returns when `time` has come, at once if it is past. Ends early only by cancellation.
  virtual Task<void> sleep_until(MonoTime time) = 0;

  Task<void> sleep_for(Duration duration) { return sleep_until(now() + duration); }
};

/// The clock of this machine.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] MonoTime now() const override;
  Task<void> sleep_until(MonoTime time) override;
};

/// A flag that one task waits for and any other may raise: notifications sent while nobody waits are kept as
/// one, so none is lost and none piles up. One waiter at a time; single-threaded.
class Wakeup {
 public:
  explicit Wakeup(Executor executor);
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  ~Wakeup();

  void notify();
  /// Returns at the next notification (at once if one is kept), and consumes it.
  Task<void> wait();
  /// As wait(), but no longer than until `deadline`. True if notified.
  Task<bool> wait_until(Clock& clock, MonoTime deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Owns tasks: they run until they end or are cancelled, and the owner joins them before it goes.
/// A task that ends with an exception other than cancellation cancels the others; join() rethrows it.
/// Single-threaded: everything happens on `executor`.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  /// Every task must have ended: call cancel() and await join() before.
  ~TaskGroup();

  void spawn(Task<void> task);
  /// Asks every running task to stop; tasks spawned later are cancelled at their first suspension.
  void cancel();
  /// Waits until no task runs. Is itself not interrupted by cancellation: it cancels the tasks and waits on.
  Task<void> join();
  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] Executor executor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Runs `task` until it ends or `deadline` comes; in that case it is cancelled, awaited, and false returned.
/// A result that arrives in the same turn as the deadline counts as in time. Cancellation of the caller
/// reaches the task.
Task<bool> run_until(Clock& clock, MonoTime deadline, Task<void> task);

namespace detail {
template <class T>
Task<void> store(Task<T> task, std::shared_ptr<std::optional<T>> into) {
  T value = co_await std::move(task);
  into->emplace(std::move(value));
}
}  // namespace detail

/// As run_until, for tasks with a result: a passed deadline is Errc::timeout with this text.
template <class T>
Task<Result<T>> with_deadline(Clock& clock, MonoTime deadline, Task<Result<T>> task,
                              std::string timeout_text) {
  auto value = std::make_shared<std::optional<Result<T>>>();
  Task<void> stored = detail::store(std::move(task), value);
  const bool in_time = co_await run_until(clock, deadline, std::move(stored));
  std::optional<Result<T>>& result = *value;
  if (!in_time || !result) co_return fail(Errc::timeout, std::move(timeout_text));
  co_return *std::move(result);
}

}  // namespace serin::base
