#include "base/task.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cassert>
#include <cstdlib>
#include <functional>
#include <list>
#include <optional>

namespace serin::base {

namespace asio = boost::asio;

bool is_cancellation(const std::exception& e) {
  const auto* error = dynamic_cast<const boost::system::system_error*>(&e);
  return error && error->code() == asio::error::operation_aborted;
}

// --- SystemClock

WallTime SystemClock::wall_now() const {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

MonoTime SystemClock::now() const {
  return std::chrono::steady_clock::now();
}

Task<void> SystemClock::sleep_until(MonoTime time) {
  const Executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// --- Wakeup

struct Wakeup::State : std::enable_shared_from_this<Wakeup::State> {
  explicit State(Executor e) : executor(std::move(e)) {}

  Executor executor;
  bool notified = false;
  std::move_only_function<void(boost::system::error_code)> waiter;
  std::uint64_t waits = 0;  // tells a late cancellation of an earlier wait from one of the present

  void complete(boost::system::error_code error) {
    if (!waiter) return;
    asio::post(executor, [handler = std::exchange(waiter, nullptr), error]() mutable { handler(error); });
  }

  template <class Handler>
  void start(Handler handler) {
    const std::uint64_t number = ++waits;
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([weak = weak_from_this(), number](asio::cancellation_type) {
        const auto self = weak.lock();
        if (self && self->waits == number) self->complete(asio::error::operation_aborted);
      });
    }
    waiter = std::move(handler);
    if (std::exchange(notified, false)) complete({});
  }
};

Wakeup::Wakeup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Wakeup::~Wakeup() = default;

void Wakeup::notify() {
  if (state_->waiter) {
    state_->complete({});
  } else {
    state_->notified = true;
  }
}

Task<void> Wakeup::wait() {
  State* const state = state_.get();
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
      [state](auto handler) { state->start(std::move(handler)); }, asio::use_awaitable);
}

Task<bool> Wakeup::wait_until(Clock& clock, MonoTime deadline) {
  Task<void> waiting = wait();
  const bool notified = co_await run_until(clock, deadline, std::move(waiting));
  co_return notified;
}

// --- TaskGroup

struct TaskGroup::State {
  explicit State(Executor e) : executor(e), idle(e) {}

  Executor executor;
  Wakeup idle;
  std::list<asio::cancellation_signal> signals;
  std::exception_ptr failure;
  bool cancelled = false;

  void cancel_all() {
    cancelled = true;
    // Copies of the iterators: a cancelled task may end, and leave the list, inside emit.
    for (auto it = signals.begin(); it != signals.end();) {
      auto& signal = *it++;
      signal.emit(asio::cancellation_type::all);
    }
  }

  void ended(std::list<asio::cancellation_signal>::iterator self, std::exception_ptr error) {
    signals.erase(self);
    if (error && !failure) {
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& e) {
        if (!is_cancellation(e)) {
          failure = error;
          cancel_all();
        }
      }
    }
    if (signals.empty()) idle.notify();
  }
};

namespace {

/// Asio suspends once more after a task that never did; were the task cancelled meanwhile (by itself, say, in
/// ending its group), that suspension would throw where nobody catches.
Task<void> end_uncancelled(Task<void> task) {
  std::exception_ptr error;
  try {
    co_await std::move(task);
  } catch (...) {
    error = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  if (error) std::rethrow_exception(error);
}

}  // namespace

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
  if (!state_->signals.empty()) std::abort();  // a task would outlive what it refers to
}

void TaskGroup::spawn(Task<void> task) {
  const auto self = state_->signals.emplace(state_->signals.end());
  asio::co_spawn(state_->executor, end_uncancelled(std::move(task)),
                 asio::bind_cancellation_slot(self->slot(), [state = state_, self](std::exception_ptr error) {
                   state->ended(self, std::move(error));
                 }));
  if (state_->cancelled) {
    // The task has not started yet; the signal reaches it once it has.
    asio::post(state_->executor, [state = state_] { state->cancel_all(); });
  }
}

void TaskGroup::cancel() {
  state_->cancel_all();
}

Task<void> TaskGroup::join() {
  const std::shared_ptr<State> state = state_;
  while (!state->signals.empty()) {
    bool interrupted = false;
    try {
      co_await state->idle.wait();
    } catch (const boost::system::system_error&) {
      interrupted = true;
    }
    if (interrupted) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      state->cancel_all();
    }
  }
  if (state->failure) std::rethrow_exception(std::exchange(state->failure, nullptr));
}

std::size_t TaskGroup::running() const {
  return state_->signals.size();
}
Executor TaskGroup::executor() const {
  return state_->executor;
}

// --- run_until

Task<bool> run_until(Clock& clock, MonoTime deadline, Task<void> task) {
  struct Race {
    explicit Race(Executor e) : done(std::move(e)) {}
    Wakeup done;
    asio::cancellation_signal task_signal, timer_signal;
    bool task_ended = false, timer_ended = false, expired = false;
    std::exception_ptr error;
  };
  const Executor executor = co_await asio::this_coro::executor;
  const auto race = std::make_shared<Race>(executor);
  asio::co_spawn(executor, std::move(task),
                 asio::bind_cancellation_slot(race->task_signal.slot(), [race](std::exception_ptr error) {
                   race->task_ended = true;
                   race->error = std::move(error);
                   race->done.notify();
                 }));
  asio::co_spawn(executor, clock.sleep_until(deadline),
                 asio::bind_cancellation_slot(race->timer_signal.slot(), [race](std::exception_ptr error) {
                   race->timer_ended = true;
                   race->expired = !error;
                   race->done.notify();
                 }));
  bool interrupted = false;
  while (!race->task_ended || !race->timer_ended) {
    try {
      co_await race->done.wait();
    } catch (const boost::system::system_error&) {
      interrupted = true;
    }
    if (interrupted) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (!race->task_ended && (race->expired || interrupted))
      race->task_signal.emit(asio::cancellation_type::all);
    if (!race->timer_ended && (race->task_ended || interrupted)) {
      race->timer_signal.emit(asio::cancellation_type::all);
    }
  }
  if (interrupted) throw boost::system::system_error(asio::error::operation_aborted);
  if (!race->error) co_return true;
  try {
    std::rethrow_exception(race->error);
  } catch (const std::exception& e) {
    if (!is_cancellation(e) || !race->expired) throw;
  }
  co_return false;
}

}  // namespace serin::base
