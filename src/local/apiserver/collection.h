#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kube/api.h"
#include "local/apiserver/store.h"

namespace serin::local {

enum class ChangeType { added, modified, deleted };

/// One write. A deleted object carries the revision of its deletion in its metadata, as the API shows it.
struct Change {
  std::uint64_t revision = 0;
  ChangeType type = ChangeType::added;
  ObjectPtr object;    ///< as it is now; as it was last, if deleted
  ObjectPtr previous;  ///< null if added
};

/// All objects of one kind in their storage version, and the last changes to them, so that watches can start
/// in the past. A watch reads the changes at its own pace by their index; one that falls out of the window
/// has to start anew.
class Collection {
 public:
  Collection(std::string group, std::string plural, std::size_t history_max)
      : group_(std::move(group)), plural_(std::move(plural)), history_max_(history_max) {}
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] const std::string& plural() const { return plural_; }
  [[nodiscard]] StoreKey key(const kube::ObjectRef& ref) const { return {group_, plural_, ref.ns, ref.name}; }

  /// null if there is none.
  [[nodiscard]] ObjectPtr find(const kube::ObjectRef& ref) const;
  /// Ordered by namespace and name.
  [[nodiscard]] const std::map<kube::ObjectRef, ObjectPtr>& objects() const { return objects_; }

  /// Takes over an object that the store holds already, without a change to watch.
  void load(ObjectPtr object);
  /// Changes before this revision are unknown (the server has started at it).
  void begin_history(std::uint64_t revision) { horizon_ = revision; }
  void record(Change change);

  /// The revision of the newest change that is forgotten: watches cannot start before it.
  [[nodiscard]] std::uint64_t horizon() const { return horizon_; }
  /// The index of the first change after `revision`; the caller has checked it against horizon().
  [[nodiscard]] std::uint64_t index_after(std::uint64_t revision) const;
  /// The change of that index; null if it has not happened yet. Forgotten ones: see first_index().
  [[nodiscard]] const Change* change(std::uint64_t index) const;
  [[nodiscard]] std::uint64_t first_index() const { return first_index_; }
  [[nodiscard]] std::uint64_t end_index() const { return first_index_ + history_.size(); }

  /// No longer served: watches end.
  void close();
  [[nodiscard]] bool closed() const { return closed_; }

  /// Called after every change and at close(); must not change the collection.
  using Listener = std::function<void()>;
  void add_listener(const Listener* listener) { listeners_.push_back(listener); }
  void remove_listener(const Listener* listener) { std::erase(listeners_, listener); }

 private:
  std::string group_, plural_;
  std::size_t history_max_;
  std::map<kube::ObjectRef, ObjectPtr> objects_;
  std::deque<Change> history_;
  std::uint64_t first_index_ = 0;
  std::uint64_t horizon_ = 0;
  bool closed_ = false;
  std::vector<const Listener*> listeners_;  ///< in the order they came, the same in every run
};

}  // namespace serin::local
