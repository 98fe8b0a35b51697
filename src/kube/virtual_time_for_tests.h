#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <exception>
#include <list>
#include <memory>
#include <stdexcept>

#include "base/task.h"

namespace serin::kube::testing {

/// A clock that stands still until the world has nothing left to do, then jumps to the next sleeper.
class FakeClock final : public base::Clock {
 public:
  explicit FakeClock(base::Executor executor) : executor_(std::move(executor)) {}

  base::WallTime wall_now() const override {
    return base::WallTime(std::chrono::milliseconds(1795406400000)) +
           std::chrono::floor<std::chrono::milliseconds>(now_ - base::MonoTime{});
  }
  base::MonoTime now() const override { return now_; }

  base::Task<void> sleep_until(base::MonoTime time) override {
    if (time <= now_) co_return;
    const Seat seat(*this, time);
    co_await seat.at->wakeup.wait();
  }

  /// Wakes the earliest sleeper, at its time. False if nobody sleeps.
  bool advance() {
    Sleeper* first = nullptr;
    for (Sleeper& sleeper : sleepers_) {
      if (!sleeper.woken && (first == nullptr || sleeper.time < first->time)) first = &sleeper;
    }
    if (first == nullptr) return false;
    now_ = std::max(now_, first->time);
    first->woken = true;
    first->wakeup.notify();
    return true;
  }

 private:
  struct Sleeper {
    Sleeper(base::Executor executor, base::MonoTime until) : wakeup(std::move(executor)), time(until) {}
    base::Wakeup wakeup;
    base::MonoTime time;
    bool woken = false;
  };
  /// A sleeper's place in the list, given up however the sleep ends.
  struct Seat {
    Seat(FakeClock& c, base::MonoTime time)
        : clock(c), at(c.sleepers_.emplace(c.sleepers_.end(), c.executor_, time)) {}
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat() { clock.sleepers_.erase(at); }
    FakeClock& clock;
    std::list<Sleeper>::iterator at;
  };

  base::Executor executor_;
  base::MonoTime now_{};
  std::list<Sleeper> sleepers_;
};

/// A single-threaded world in virtual time.
class World {
 public:
  boost::asio::io_context context;
  FakeClock clock{context.get_executor()};

  /// Runs `task` to its end; other tasks of the world run meanwhile. Throws when the task waits for
  /// something that cannot happen any more.
  void run(base::Task<void> task) {
    bool ended = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error) {
      ended = true;
      failure = std::move(error);
    });
    while (!ended) {
      context.restart();
      context.poll();
      if (!ended && !clock.advance())
        throw std::logic_error("everything waits and nothing is left to happen");
    }
    if (failure) std::rethrow_exception(failure);
  }

  template <class T>
  T get(base::Task<T> task) {
    std::optional<T> value;
    run(keep(std::move(task), &value));
    return std::move(*value);
  }

 private:
  template <class T>
  static base::Task<void> keep(base::Task<T> task, std::optional<T>* into) {
    T value = co_await std::move(task);
    into->emplace(std::move(value));
  }
};

}  // namespace serin::kube::testing
