#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/log.h"
#include "base/task.h"

namespace serin::notify {

/// Deliveries beside the rollout. Each receiver has a lane of its own: what is posted to it is delivered in
/// order, one at a time, while lanes run side by side, so that a dead receiver delays nothing but its own
/// messages. When too many wait, the oldest of the longest lane is dropped, and counted.
class Outbox {
 public:
  /// Ends when the message is delivered or given up; reports failures itself.
  using Delivery = std::function<base::Task<void>()>;

  /// `waiting_max`: deliveries of all lanes that may wait; at least 1. `what` they are, for the log.
  Outbox(base::Executor executor, std::size_t waiting_max, base::Logger log, std::string what);

  void post(const std::string& receiver, Delivery delivery);
  /// Delivers what is posted, until cancelled; to be called once.
  base::Task<void> run();
  /// For shutdown, while run() still runs: true when everything is delivered, false at the deadline.
  base::Task<bool> flush(base::Clock& clock, base::MonoTime deadline);
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  using Lane = std::deque<Delivery>;

  void drop_one();
  base::Task<void> start_lanes(base::TaskGroup* group);
  base::Task<void> drive(std::string receiver);

  base::Executor executor_;
  std::size_t waiting_max_;
  base::Logger log_;
  std::string what_;
  std::map<std::string, Lane> lanes_;  ///< what waits, for each receiver that has something to get
  std::deque<std::string> unstarted_;  ///< lanes that nobody drives yet
  base::Wakeup work_, idle_;
  std::size_t waiting_ = 0, dropped_ = 0;
};

}  // namespace serin::notify
