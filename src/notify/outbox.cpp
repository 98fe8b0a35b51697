#include "notify/outbox.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

namespace serin::notify {

namespace asio = boost::asio;
using base::Task;

Outbox::Outbox(base::Executor executor, std::size_t waiting_max, base::Logger log, std::string what)
    : executor_(executor),
      waiting_max_(waiting_max),
      log_(std::move(log)),
      what_(std::move(what)),
      work_(executor),
      idle_(executor) {}

void Outbox::post(const std::string& receiver, Delivery delivery) {
  if (waiting_ >= waiting_max_) drop_one();
  const auto [lane, is_new] = lanes_.try_emplace(receiver);
  lane->second.push_back(std::move(delivery));
  ++waiting_;
  if (!is_new) return;
  unstarted_.push_back(receiver);
  work_.notify();
}

void Outbox::drop_one() {
  const auto length = [](const auto& lane) { return lane.second.size(); };
  std::ranges::max_element(lanes_, {}, length)->second.pop_front();
  --waiting_;
  if (dropped_++ == 0) log_.error(what_ + " are lost: a receiver takes them too slowly, or not at all");
}

Task<void> Outbox::run() {
  base::TaskGroup group(executor_);
  std::exception_ptr stopped;
  try {
    co_await start_lanes(&group);
  } catch (...) {
    stopped = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  group.cancel();
  co_await group.join();
  if (stopped) std::rethrow_exception(stopped);
}

Task<void> Outbox::start_lanes(base::TaskGroup* group) {
  while (true) {
    while (!unstarted_.empty()) {
      std::string receiver = std::move(unstarted_.front());
      unstarted_.pop_front();
      group->spawn(drive(std::move(receiver)));  // may come to its end at once
    }
    co_await work_.wait();
  }
}

Task<void> Outbox::drive(std::string receiver) {
  Lane& lane = lanes_[receiver];
  while (!lane.empty()) {
    const Delivery delivery = std::move(lane.front());
    lane.pop_front();
    --waiting_;
    co_await delivery();
  }
  lanes_.erase(receiver);
  if (lanes_.empty()) idle_.notify();
}

Task<bool> Outbox::flush(base::Clock& clock, base::MonoTime deadline) {
  while (!lanes_.empty() && clock.now() < deadline) co_await idle_.wait_until(clock, deadline);
  co_return lanes_.empty();
}

}  // namespace serin::notify
