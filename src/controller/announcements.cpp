#include "controller/announcements.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "canary/hash.h"
#include "kube/api.h"

namespace serin::controller {

using base::Json;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view field = "announcing";

const Json& entries_of(const Json& canary) {
  return canary.get("status", field);
}

}  // namespace

Announcements::Announcements(Announcer& announcer, base::Wakeup& changed)
    : announcer_(announcer), arrivals_(std::make_shared<Arrivals>(changed)) {}

bool Announcements::has_arrived(const Json& entry) const {
  const auto told = arrivals_->by_id.find(entry["id"].str());
  return told != arrivals_->by_id.end() && told->second;
}

void Announcements::enter(Json& canary, const std::vector<canary::Message>& messages,
                          base::WallTime now) const {
  Json list = Json::array();
  for (const Json& entry : entries_of(canary).items()) {
    if (!has_arrived(entry)) list.push_back(entry);
  }
  const std::string stamp = fmt::format("{:x}", now.time_since_epoch() / 1ns);
  const std::string version = canary::stable_uuid(kube::uid_of(canary), kube::resource_version_of(canary));
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Json entry = canary::to_json(messages[i]);
    entry.set("id") = fmt::format("{}.{:.8}.{}", stamp, version, i);
    list.push_back(std::move(entry));
  }
  Json& status = canary.set("status");
  status.erase(field);
  if (!list.items().empty()) status.set(field) = std::move(list);
}

void Announcements::tell(const Json& canary, const canary::Spec& spec) {
  const std::vector<Json>& entries = entries_of(canary).items();
  std::erase_if(arrivals_->by_id, [&](const auto& told) {
    return std::ranges::none_of(entries, [&](const Json& entry) { return entry["id"].str() == told.first; });
  });
  for (const Json& entry : entries) {
    const std::string& id = entry["id"].str();
    const std::optional<canary::Message> message = canary::read_message(entry);
    if (!arrivals_->by_id.try_emplace(id, !message).second || !message) continue;
    const Delivery delivery{id, receipt(id)};
    if (const auto* event = std::get_if<canary::Announce>(&*message)) {
      announcer_.announce(canary, spec, *event, delivery);
    } else {
      announcer_.alert(spec, std::get<canary::Alert>(*message), delivery);
    }
  }
}

bool Announcements::is_due(const Json& canary) const {
  const std::vector<Json>& entries = entries_of(canary).items();
  return !entries.empty() &&
         std::ranges::all_of(entries, [&](const Json& entry) { return has_arrived(entry); });
}

std::shared_ptr<void> Announcements::receipt(std::string id) {
  const auto let_go = [id = std::move(id), arrivals = std::weak_ptr(arrivals_)](void*) {
    const std::shared_ptr<Arrivals> alive = arrivals.lock();
    if (!alive) return;
    if (const auto told = alive->by_id.find(id); told != alive->by_id.end()) told->second = true;
    const auto arrived = [](const auto& told) { return told.second; };
    if (std::ranges::all_of(alive->by_id, arrived)) alive->changed.notify();
  };
  return {this, let_go};
}

}  // namespace serin::controller
