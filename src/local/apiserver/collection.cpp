#include "local/apiserver/collection.h"

#include <algorithm>

namespace serin::local {

ObjectPtr Collection::find(const kube::ObjectRef& ref) const {
  const auto found = objects_.find(ref);
  return found == objects_.end() ? nullptr : found->second;
}

void Collection::load(ObjectPtr object) {
  kube::ObjectRef ref = kube::ref_of(*object);
  objects_[std::move(ref)] = std::move(object);
}

void Collection::record(Change change) {
  const kube::ObjectRef ref = kube::ref_of(*change.object);
  if (change.type == ChangeType::deleted) {
    objects_.erase(ref);
  } else {
    objects_[ref] = change.object;
  }
  history_.push_back(std::move(change));
  if (history_.size() > history_max_) {
    horizon_ = history_.front().revision;
    history_.pop_front();
    ++first_index_;
  }
  for (const Listener* listener : listeners_) (*listener)();
}

std::uint64_t Collection::index_after(std::uint64_t revision) const {
  const auto after =
      std::upper_bound(history_.begin(), history_.end(), revision,
                       [](std::uint64_t r, const Change& change) { return r < change.revision; });
  return first_index_ + static_cast<std::uint64_t>(after - history_.begin());
}

const Change* Collection::change(std::uint64_t index) const {
  if (index < first_index_ || index >= end_index()) return nullptr;
  return &history_[index - first_index_];
}

void Collection::close() {
  closed_ = true;
  for (const Listener* listener : listeners_) (*listener)();
}

}  // namespace serin::local
