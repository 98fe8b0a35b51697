#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "base/log.h"
#include "base/random.h"
#include "kube/api.h"
#include "kube/backoff.h"

namespace serin::kube {

enum class EventType { normal, warning };

/// The object an event is about.
struct EventTarget {
  std::string api_version, kind, ns, name, uid, resource_version;

  static EventTarget of(const Json& object);
};

/// For an event that stands for itself.
struct EventIdentity {
  std::string id =
      {};  ///< not empty: it is written once under this id, also by another recorder, and not merged
  std::shared_ptr<void> receipt = {};  ///< let go of when it is written or lost
};

struct EventOptions {
  std::string component = "flagger";
  std::string reason = "Synced";
  std::size_t queue_max = 1000;                               ///< further events are dropped and counted
  std::size_t remembered_max = 4096;                          ///< events whose repeats are still merged
  base::Duration repeat_interval = std::chrono::seconds(10);  ///< between two count updates of one event
  int attempts_max = 12;                                      ///< per write, while the API is unavailable
};

/// Writes core v1 Events, in the order they were recorded, without making the recorder wait (spec 04 §8).
/// The same text about the same object is one Event whose count rises, at most once per repeat_interval;
/// different texts, and those with an id, are never merged and never dropped for being many.
class EventRecorder {
 public:
  EventRecorder(Api& api, base::Clock& clock, base::Random& random, base::Logger log, EventOptions options,
                base::Executor executor);
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  void record(EventTarget target, EventType type, std::string message, EventIdentity identity = {});
  /// Writes what was recorded, until cancelled.
  base::Task<void> run();
  /// For shutdown, while run() still runs: returns true when everything is written, false at the deadline.
  base::Task<bool> flush(base::MonoTime deadline);

  /// Events lost so far: the queue was full or the API refused them.
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  /// Kind, namespace, name and uid of the object, type and text: what makes two events the same.
  using Key = std::tuple<std::string, std::string, std::string, std::string, EventType, std::string>;
  struct Entry;

  void forget_oldest();
  [[nodiscard]] bool is_idle() const;
  std::shared_ptr<Entry> take_due();
  [[nodiscard]] base::MonoTime next_repeat() const;
  base::Task<void> write(std::shared_ptr<Entry> entry);
  base::Task<base::Result<int>> write_once(std::shared_ptr<Entry> entry);
  base::Task<base::Result<void>> create(std::shared_ptr<Entry> entry);
  [[nodiscard]] Json event_object(const Entry& entry) const;
  std::string name_for(const Entry& entry);

  Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  EventOptions options_;
  base::Wakeup work_, idle_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
  std::deque<std::shared_ptr<Entry>> queue_;    ///< never written yet, in order
  std::deque<std::shared_ptr<Entry>> repeats_;  ///< written before; their count has risen since
  bool writing_ = false, flushing_ = false;
  std::size_t dropped_ = 0;
  std::int64_t last_stamp_ = 0;
  std::uint64_t uses_ = 0;
};

}  // namespace serin::kube
