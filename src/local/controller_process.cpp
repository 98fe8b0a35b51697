#include "local/controller_process.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include "kube/backoff.h"

namespace serin::local {

namespace asio = boost::asio;
using base::fail;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

constexpr base::Duration patience = 6s;

Task<void> wait_for_end(Child& child) {
  co_await child.ended();
}

}  // namespace

ControllerProcess::ControllerProcess(std::vector<std::string> command, std::filesystem::path log_file,
                                     Spawner& spawner, base::Clock& clock, base::Random& random,
                                     std::function<void(std::string how)> ended)
    : command_(std::move(command)),
      log_file_(std::move(log_file)),
      spawner_(spawner),
      clock_(clock),
      random_(random),
      ended_(std::move(ended)) {}

Result<void> ControllerProcess::start() {
  Result<std::unique_ptr<Child>> child = spawner_.spawn(command_, log_file_);
  if (!child) return fail(child.error());
  child_ = std::move(*child);
  return {};
}

Task<void> ControllerProcess::keep_alive() {
  kube::Backoff backoff(random_, 500ms, 30s);
  for (;;) {
    if (child_) {
      const base::MonoTime since = clock_.now();
      std::string how = co_await child_->ended();
      child_.reset();
      ended_(std::move(how));
      if (clock_.now() - since > 1min) backoff.reset();
    }
    const base::Duration pause = backoff.next();
    co_await clock_.sleep_for(pause);
    if (const Result<void> started = start(); !started) ended_(started.error().message);
  }
}

Task<void> ControllerProcess::run() {
  std::exception_ptr cancelled;
  try {
    co_await keep_alive();
  } catch (...) {
    cancelled = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  if (child_) {
    child_->terminate();
    co_await base::run_until(clock_, clock_.now() + patience, wait_for_end(*child_));
    child_.reset();
  }
  if (cancelled) std::rethrow_exception(cancelled);
}

}  // namespace serin::local
