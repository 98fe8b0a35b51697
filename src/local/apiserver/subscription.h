#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "local/apiserver/served.h"
#include "local/machinery/selectors.h"

namespace serin::local {

/// Which objects of a resource a list or watch is about.
struct Selection {
  std::string ns;  ///< empty: all
  LabelSelector labels;
  FieldSelector fields;

  /// Reads the selectors; errors are 400 with the API server's texts.
  static StatusResult<Selection> parse(const Served& served, std::string ns, std::string_view label_selector,
                                       std::string_view field_selector);
  [[nodiscard]] bool matches(const Json& object) const;
};

struct Event {
  kube::WatchEventType type = kube::WatchEventType::bookmark;
  ObjectPtr object;
};

/// A watch: yields the changes to a selection, in order, each once. Pulled by its reader; `on_change` tells
/// it that there may be more (it must only wake the reader, not read).
class Subscription {
 public:
  /// Begins with the objects of `initial` (already selected), a bookmark of revision `initial_end` if given,
  /// and goes on with the changes from `index`.
  Subscription(std::shared_ptr<const Served> served, Selection selection, std::deque<ObjectPtr> initial,
               std::optional<std::uint64_t> initial_end, std::uint64_t index);
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  ~Subscription();

  void on_change(std::function<void()> callback) { listener_ = std::move(callback); }

  /// The next event there is; null if none has happened yet. Error (410): the reader was too slow and
  /// changes are lost.
  StatusResult<std::optional<Event>> next();
  /// Nothing will come any more: the resource is no longer served.
  [[nodiscard]] bool ended() const;
  /// An event without object data: all changes up to `revision` have been seen. Only right after next()
  /// gave null.
  [[nodiscard]] Event bookmark(std::uint64_t revision) const;
  [[nodiscard]] const Served& served() const { return *served_; }

 private:
  std::optional<Event> event_of(const Change& change) const;

  std::shared_ptr<const Served> served_;
  Selection selection_;
  std::deque<ObjectPtr> initial_;
  std::optional<std::uint64_t> initial_end_;
  std::uint64_t index_;
  Collection::Listener listener_;
  Collection::Listener forward_;
};

}  // namespace serin::local
