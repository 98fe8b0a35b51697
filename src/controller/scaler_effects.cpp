#include "controller/scaler_effects.h"

#include <fmt/format.h>

namespace serin::controller {

using base::Errc;
using base::fail;
using canary::Done;

World::Value ScalerEffects::of_target() const {
  return scaler_ ? objects_.find(scaler_->resource(), spec_.autoscaler->name) : nullptr;
}

base::Task<Done> ScalerEffects::ensure_primary(bool update) {
  if (!scaler_) {
    if (!update) co_return Done();
    Done removed = co_await remove_outdated();
    co_return removed;
  }
  const World::Value source = of_target();
  const World::Value live = objects_.find(scaler_->resource(), primary_name());
  if (!source) {
    const std::string text =
        fmt::format("{} {}.{} get query error: {} \"{}\" not found", scaler_->noun(), spec_.autoscaler->name,
                    spec_.ns, scaler_->resource().group_resource(), spec_.autoscaler->name);
    if (!live) co_return fail(Errc::not_found, text);
    if (update) objects_.note(fmt::format("{}; {} stays as it is", text, named(scaler_->noun())));
    co_return Done();
  }
  if (live && !update) co_return Done();
  // First: two autoscalers on one workload would fight, and KEDA refuses the second.
  const Done removed = co_await remove_outdated();
  if (!removed) co_return removed;
  for (std::string& remark : scaler_->remarks(*source, spec_)) objects_.note(std::move(remark));
  if (!live) {
    Json created = scaler_->new_primary(*source, spec_);
    const std::string noun = named(scaler_->noun_to_create());
    Done done = co_await objects_.create(scaler_->resource(), std::move(created),
                                         fmt::format("creating {} failed", noun), noun + " created");
    co_return done;
  }
  Json updated = scaler_->updated_primary(*live, *source, spec_);
  if (updated == *live) co_return Done();
  const std::string noun = named(scaler_->noun_to_update());
  Done done = co_await objects_.replace(scaler_->resource(), std::move(updated),
                                        fmt::format("updating {} failed", noun), noun + " updated");
  co_return done;
}

base::Task<Done> ScalerEffects::pause(bool paused) {
  const World::Value source = of_target();
  if (!source) co_return Done();
  Json patch = scaler_->paused(*source, paused);
  if (patch.is_null()) co_return Done();
  const std::string noun = fmt::format("{} {}.{}", scaler_->noun(), spec_.autoscaler->name, spec_.ns);
  Done done = co_await objects_.patch(scaler_->resource(), spec_.autoscaler->name, std::move(patch),
                                      noun + " patch query error",
                                      fmt::format("{} {}", noun, paused ? "paused" : "resumed"));
  if (!done && done.error().code == Errc::not_found) co_return Done();
  co_return done;
}

/// What autoscalerRef named before (another name or kind) and its primary's copy: ours by owner, but no
/// longer wanted. A kind that the server doesn't offer has left nothing behind.
base::Task<Done> ScalerEffects::remove_outdated() {
  for (const std::unique_ptr<workload::Scaler>& kind : workload::all_scalers()) {
    const kube::Resource resource = kind->resource();
    const base::Result<kube::List> listed = co_await objects_.api().list(resource, spec_.ns, {});
    if (!listed) continue;
    for (const Json& object : listed->items) {
      const std::string name = kube::name_of(object);
      const bool ours = kube::controller_owner(object)["uid"].str() == spec_.uid;
      const bool wanted = scaler_ && scaler_->resource() == resource && name == primary_name();
      if (!ours || wanted || kube::is_being_deleted(object)) continue;
      kube::DeleteOptions options{.uid = kube::uid_of(object)};
      const Done removed = co_await objects_.api().remove(resource, spec_.ns, name, std::move(options));
      const std::string noun = fmt::format("{} {}.{}", kind->noun(), name, spec_.ns);
      if (!removed && removed.error().code != Errc::not_found)
        co_return fail(removed.error().within(fmt::format("deleting {} failed", noun)));
      objects_.note(noun + " deleted: spec.autoscalerRef names another now");
    }
  }
  co_return Done();
}

}  // namespace serin::controller
