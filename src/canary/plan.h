#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "canary/action.h"

namespace serin::canary {

/// The seam between a plan and whoever carries it out: the action that is asked for, and the reply to it.
struct Channel {
  std::optional<Action> asked;
  Reply reply;
  std::coroutine_handle<> waiting;
};

/// A decision in progress, as a coroutine: it asks for one action at a time and goes on with the reply. It
/// does no I/O and knows no clock or thread; the same replies always lead to the same actions. Plans nest by
/// co_await.
template <class T = void>
class Plan;

namespace detail {

struct PlanPromiseBase {
  std::coroutine_handle<> caller = std::noop_coroutine();
  std::exception_ptr bug;

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct ToCaller {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().caller;
    }
    void await_resume() noexcept {}
  };
  ToCaller final_suspend() noexcept { return {}; }
  void unhandled_exception() { bug = std::current_exception(); }
};

template <class T>
struct PlanPromise : PlanPromiseBase {
  std::optional<T> value;
  Plan<T> get_return_object();
  void return_value(T result) { value = std::move(result); }
  T take() {
    if (!value) std::terminate();  // a plan that ended without an exception has returned a value
    return std::move(*value);
  }
};

template <>
struct PlanPromise<void> : PlanPromiseBase {
  Plan<void> get_return_object();
  void return_void() {}
  void take() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Plan {
 public:
  using promise_type = detail::PlanPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Plan(Handle handle) : handle_(handle) {}
  Plan(Plan&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  Plan& operator=(Plan&&) = delete;
  ~Plan() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().caller = caller;
    return handle_;
  }
  T await_resume() {
    if (handle_.promise().bug) std::rethrow_exception(handle_.promise().bug);
    return handle_.promise().take();
  }

  [[nodiscard]] Handle handle() const { return handle_; }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Plan<T> PlanPromise<T>::get_return_object() {
  return Plan<T>(std::coroutine_handle<PlanPromise<T>>::from_promise(*this));
}
inline Plan<void> PlanPromise<void>::get_return_object() {
  return Plan<void>(std::coroutine_handle<PlanPromise<void>>::from_promise(*this));
}
}  // namespace detail

/// What `co_await ask(channel, action)` waits for: the reply of the action's type.
template <class Asked>
struct Ask {
  Channel& channel;
  Asked action;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    channel.waiting = self;
    channel.asked.emplace(std::move(action));
  }
  ReplyTo<Asked> await_resume() { return std::get<ReplyTo<Asked>>(std::move(channel.reply)); }
};

}  // namespace serin::canary
