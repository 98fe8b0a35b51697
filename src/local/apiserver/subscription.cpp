#include "local/apiserver/subscription.h"

#include <fmt/format.h>

#include <utility>

namespace serin::local {

using kube::WatchEventType;

StatusResult<Selection> Selection::parse(const Served& served, std::string ns,
                                         std::string_view label_selector, std::string_view field_selector) {
  base::Result<LabelSelector> labels = LabelSelector::parse(label_selector);
  if (!labels) return std::unexpected(StatusError::bad_request(labels.error().message));
  base::Result<FieldSelector> fields = FieldSelector::parse(field_selector, served.selectable_fields);
  if (!fields) return std::unexpected(StatusError::bad_request(fields.error().message));
  return Selection{std::move(ns), std::move(*labels), std::move(*fields)};
}

bool Selection::matches(const Json& object) const {
  if (!ns.empty() && kube::namespace_of(object) != ns) return false;
  if (!labels.matches_everything() && !labels.matches(object.get("metadata", "labels"))) return false;
  return fields.empty() || fields.matches(object);
}

Subscription::Subscription(std::shared_ptr<const Served> served, Selection selection,
                           std::deque<ObjectPtr> initial, std::optional<std::uint64_t> initial_end,
                           std::uint64_t index)
    : served_(std::move(served)),
      selection_(std::move(selection)),
      initial_(std::move(initial)),
      initial_end_(initial_end),
      index_(index) {
  forward_ = [this] {
    if (listener_) listener_();
  };
  served_->collection->add_listener(&forward_);
}

Subscription::~Subscription() {
  served_->collection->remove_listener(&forward_);
}

bool Subscription::ended() const {
  return served_->collection->closed();
}

StatusResult<std::optional<Event>> Subscription::next() {
  if (!initial_.empty()) {
    ObjectPtr object = std::move(initial_.front());
    initial_.pop_front();
    return Event{WatchEventType::added, served_->view(object)};
  }
  if (initial_end_) {
    Event end = bookmark(*std::exchange(initial_end_, std::nullopt));
    Json object = *end.object;
    object.set("metadata", "annotations", "k8s.io/initial-events-end") = "true";
    end.object = std::make_shared<const Json>(std::move(object));
    return end;
  }
  const Collection& collection = *served_->collection;
  if (index_ < collection.first_index()) {
    return std::unexpected(expired(fmt::format("too old resource version: the watch of {} fell behind",
                                               served_->resource.group_resource())));
  }
  while (const Change* change = collection.change(index_)) {
    ++index_;
    std::optional<Event> event = event_of(*change);
    if (event) return event;
  }
  return std::nullopt;
}

/// What a change means to someone who sees only the selection: an object that starts to match is new to
/// them, one that stops matching is gone, shown as they knew it last.
std::optional<Event> Subscription::event_of(const Change& change) const {
  const bool was = change.previous != nullptr && selection_.matches(*change.previous);
  const bool is = change.type != ChangeType::deleted && selection_.matches(*change.object);
  if (!was && !is) return std::nullopt;
  if (!was) return Event{WatchEventType::added, served_->view(change.object)};
  if (is) return Event{WatchEventType::modified, served_->view(change.object)};
  if (change.type == ChangeType::deleted) return Event{WatchEventType::deleted, served_->view(change.object)};
  Json last = *change.previous;
  last.set("metadata", "resourceVersion") = kube::resource_version_of(*change.object);
  return Event{WatchEventType::deleted, served_->view(std::make_shared<const Json>(std::move(last)))};
}

Event Subscription::bookmark(std::uint64_t revision) const {
  Json object =
      Json::object({{"kind", served_->resource.kind}, {"apiVersion", served_->resource.api_version()}});
  object.set("metadata", "resourceVersion") = std::to_string(revision);
  object.set("metadata", "creationTimestamp") = nullptr;
  return Event{WatchEventType::bookmark, std::make_shared<const Json>(std::move(object))};
}

}  // namespace serin::local
