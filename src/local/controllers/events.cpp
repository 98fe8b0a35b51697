#include "local/controllers/events.h"

#include <fmt/format.h>

#include "local/controllers/objects.h"

namespace serin::local {

using base::WallTime;
using namespace std::chrono_literals;
namespace res = kube::resources;

namespace {

constexpr auto memory = 10min;
constexpr auto rewrite_pause = 30s;

Json event_of(const std::string& component, const Json& about, const Notice& notice, WallTime now) {
  const std::string ns = kube::namespace_of(about);
  return Json::object({{"apiVersion", "v1"},
                       {"kind", "Event"},
                       {"metadata", Json::object({{"namespace", ns.empty() ? "default" : ns}})},
                       {"involvedObject", Json::object({{"apiVersion", about["apiVersion"]},
                                                        {"kind", about["kind"]},
                                                        {"name", kube::name_of(about)},
                                                        {"namespace", ns},
                                                        {"resourceVersion", kube::resource_version_of(about)},
                                                        {"uid", kube::uid_of(about)}})},
                       {"reason", notice.reason},
                       {"message", notice.message},
                       {"type", notice.type},
                       {"source", Json::object({{"component", component}})},
                       {"reportingComponent", component},
                       {"reportingInstance", ""},
                       {"firstTimestamp", time_text(now)},
                       {"lastTimestamp", time_text(now)},
                       {"count", 1}});
}

}  // namespace

base::Task<void> EventWriter::write(std::string component, Json about, Notice notice) {
  const WallTime now = clock_.wall_now();
  forget(now);
  const std::string key = fmt::format("{} {} {} {} {}", kube::uid_of(about), component, notice.type,
                                      notice.reason, notice.message);
  if (const auto found = told_.find(key); found != told_.end()) {
    Told& told = found->second;
    ++told.count;
    told.last = now;
    if (now - told.written >= rewrite_pause) co_await count_again(told, kube::namespace_of(about));
    co_return;
  }
  Json event = event_of(component, about, notice, now);
  const std::string name = fmt::format("{}.{:016x}", kube::name_of(about), random_.next());
  event.set("metadata", "name") = name;
  told_[key] = {name, 1, now, now};
  const std::string ns = kube::namespace_of(event);
  const kube::WriteOptions options{.field_manager = component};
  const auto written = co_await api_.create(res::events, ns, std::move(event), options);
  if (!written) log_.debug("event not written: " + written.error().message);
}

base::Task<void> EventWriter::count_again(Told& told, std::string ns) {
  told.written = told.last;
  Json patch = Json::object({{"count", told.count}, {"lastTimestamp", time_text(told.last)}});
  const kube::WriteOptions options{.field_manager = "kube-controller-manager"};
  const auto written = co_await api_.patch(res::events, ns.empty() ? "default" : ns, told.name,
                                           kube::PatchType::merge, std::move(patch), "", options);
  if (!written) log_.debug("event not counted: " + written.error().message);
}

void EventWriter::forget(WallTime now) {
  std::erase_if(told_, [&](const auto& entry) { return now - entry.second.last > memory; });
}

}  // namespace serin::local
