#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/task.h"
#include "http/server.h"

namespace serin::local {

/// Bytes on their way from the wire to one reader. One task pushes, one pops; single-threaded.
class Inbox {
 public:
  static constexpr std::size_t bytes_max = 4u << 20;

  explicit Inbox(const base::Executor& executor) : filled_(executor), emptied_(executor) {}

  /// Waits while there are too many bytes already. Bytes after an end are dropped.
  base::Task<void> push(std::string bytes);
  /// No more bytes come.
  void end();
  /// As end(), and the reader learns why, after the bytes that are there.
  void break_off(base::Error error);
  /// The next bytes (never empty); nullopt at the end.
  base::Task<base::Result<std::optional<std::string>>> pop();

 private:
  std::deque<std::string> queue_;
  std::size_t size_ = 0;
  bool ended_ = false;
  std::optional<base::Error> error_;
  base::Wakeup filled_, emptied_;
};

/// Lets several tasks write to one connection, one after the other in the order they came.
class OrderedWriter {
 public:
  OrderedWriter(base::Executor executor, http::Duplex& duplex)
      : executor_(std::move(executor)), duplex_(duplex) {}

  /// A cancelled write may leave half of its bytes on the wire: cancel only to end the connection.
  base::Task<base::Result<void>> write(std::string bytes);

 private:
  class Turn;
  base::Executor executor_;
  http::Duplex& duplex_;
  std::deque<Turn*> turns_;  ///< the first one writes
};

}  // namespace serin::local
