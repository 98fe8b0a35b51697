#include "kube/rest_watch.h"

#include <fmt/format.h>

#include "kube/status_error.h"

namespace serin::kube {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;

namespace {

constexpr std::size_t line_max = 32u << 20;  // an object is at most a few MiB
constexpr std::size_t refusal_max = 64u << 10;

std::optional<WatchEventType> type_of(std::string_view name) {
  if (name == "ADDED") return WatchEventType::added;
  if (name == "MODIFIED") return WatchEventType::modified;
  if (name == "DELETED") return WatchEventType::deleted;
  if (name == "BOOKMARK") return WatchEventType::bookmark;
  return std::nullopt;
}

}  // namespace

Json with_type(const Resource& resource, Json object) {
  const std::string& kind = object["kind"].str();
  const bool is_complete = !kind.empty() && !object["apiVersion"].str().empty();
  if (is_complete && kind != "PartialObjectMetadata") return object;
  Json::Object typed{{"apiVersion", resource.api_version()}, {"kind", resource.kind}};
  for (Json::Member& member : object.make_object()) {
    if (member.key != "kind" && member.key != "apiVersion") typed[member.key] = std::move(member.value);
  }
  return typed;
}

RestWatch::RestWatch(Resource resource, std::unique_ptr<http::BodyStream> body, base::Clock& clock,
                     base::MonoTime deadline)
    : resource_(std::move(resource)), body_(std::move(body)), clock_(clock), deadline_(deadline) {}

Task<Result<std::optional<WatchEvent>>> RestWatch::next() {
  std::size_t searched = consumed_;
  while (true) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(buffer_).substr(consumed_, end - consumed_);
      consumed_ = searched = end + 1;
      if (line.find_first_not_of(" \r") == std::string_view::npos) continue;
      co_return read_event(line);
    }
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    searched = buffer_.size();
    if (buffer_.size() > line_max) {
      co_return fail(Errc::internal, fmt::format("watch {}: an event of more than {} bytes",
                                                 resource_.group_resource(), line_max));
    }
    auto reading = base::with_deadline(clock_, deadline_, body_->read(), "the server did not end it in time");
    auto piece = co_await std::move(reading);
    if (!piece) {
      co_return fail(Errc::unavailable,
                     fmt::format("watch {}: {}", resource_.group_resource(), piece.error().message));
    }
    if (!piece->has_value()) {
      if (buffer_.empty()) co_return std::nullopt;
      co_return fail(Errc::unavailable,
                     fmt::format("watch {}: cut off inside an event", resource_.group_resource()));
    }
    buffer_ += **piece;
  }
}

Result<std::optional<WatchEvent>> RestWatch::read_event(std::string_view line) const {
  auto event = Json::parse(line);
  if (!event) return fail(event.error().within(fmt::format("watch {}", resource_.group_resource())));
  const std::string& name = (*event)["type"].str();
  if (name == "ERROR") return fail(status_error((*event)["object"]));
  const auto type = type_of(name);
  Json* object = event->find("object");
  if (!type || object == nullptr) {
    return fail(Errc::internal,
                fmt::format("watch {}: unknown event type \"{}\"", resource_.group_resource(), name));
  }
  return WatchEvent{*type, with_type(resource_, std::move(*object))};
}

Task<base::Error> read_refusal(std::string path, http::StreamingResponse response, base::Clock& clock,
                               base::MonoTime deadline) {
  http::Response whole = std::move(response.head);
  while (whole.body.size() < refusal_max) {
    auto reading = base::with_deadline(clock, deadline, response.body->read(), "late");
    auto piece = co_await std::move(reading);
    if (!piece || !piece->has_value()) break;  // the status alone says enough
    whole.body += **piece;
  }
  co_return response_error("GET", path, whole);
}

}  // namespace serin::kube
