#include "local/streaming/pipes.h"

#include <algorithm>

namespace serin::local {

using base::Result;
using base::Task;

Task<void> Inbox::push(std::string bytes) {
  while (!ended_ && size_ >= bytes_max) co_await emptied_.wait();
  if (ended_ || bytes.empty()) co_return;
  size_ += bytes.size();
  queue_.push_back(std::move(bytes));
  filled_.notify();
}

void Inbox::end() {
  ended_ = true;
  filled_.notify();
  emptied_.notify();
}

void Inbox::break_off(base::Error error) {
  if (ended_) return;
  error_ = std::move(error);
  end();
}

Task<Result<std::optional<std::string>>> Inbox::pop() {
  while (queue_.empty() && !ended_) co_await filled_.wait();
  if (queue_.empty()) {
    if (error_) co_return base::fail(*error_);
    co_return std::optional<std::string>();
  }
  std::string bytes = std::move(queue_.front());
  queue_.pop_front();
  size_ -= bytes.size();
  emptied_.notify();
  co_return std::optional<std::string>(std::move(bytes));
}

/// A place in the queue; leaving it, also by cancellation, wakes the next.
class OrderedWriter::Turn {
 public:
  explicit Turn(OrderedWriter& owner) : owner_(owner), wakeup_(owner.executor_) {
    owner_.turns_.push_back(this);
  }
  ~Turn() {
    std::erase(owner_.turns_, this);
    if (!owner_.turns_.empty()) owner_.turns_.front()->wakeup_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Task<void> come() {
    while (owner_.turns_.front() != this) co_await wakeup_.wait();
  }

 private:
  OrderedWriter& owner_;
  base::Wakeup wakeup_;
};

Task<Result<void>> OrderedWriter::write(std::string bytes) {
  Turn turn(*this);
  co_await turn.come();
  Result<void> written = co_await duplex_.write(std::move(bytes));
  co_return written;
}

}  // namespace serin::local
