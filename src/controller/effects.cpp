#include "controller/effects.h"

#include <fmt/format.h>

#include "canary/hash.h"
#include "controller/commands.h"

namespace serin::controller {

using base::fail;
using canary::Done;
namespace resources = kube::resources;

Effects::Effects(Shared& shared, Announcements& announcements, canary::Spec spec, World::Value canary,
                 const routing::Router& router, const workload::Kind& kind)
    : shared_(shared),
      announcements_(announcements),
      spec_(std::move(spec)),
      canary_(std::move(canary)),
      kind_(kind),
      objects_(shared.world, shared.announcer, spec_),
      workloads_(objects_, shared.configs, kind, shared.options, spec_),
      services_(objects_, spec_),
      routes_(objects_, router, shared.meter, spec_) {}

canary::Affinity Effects::affinity() const {
  const base::Result<canary::Status> status = canary::read_status(*canary_);
  return status ? status->affinity : canary::Affinity();
}

base::Task<canary::Observation> Effects::observe() {
  canary::Observation seen;
  if (const World::Value ns = shared_.world.find(resources::namespaces, {"", spec_.ns})) {
    seen.namespace_terminating = kube::is_being_deleted(*ns);
  }
  co_await workloads_.observe(seen);
  const std::string& recorded = canary_->get("status", "lastAppliedSpec").str();
  if (!recorded.empty() && !canary::is_own_hash(recorded)) {
    const bool carries = co_await workloads_.primary_carries_target();
    seen.takeover = carries;
  }
  routes_.observe(seen, workloads_.label().value_or(workload::SelectorLabel()), affinity());
  co_return seen;
}

base::Task<canary::Reply> Effects::carry_out(canary::Action action) {
  if (std::holds_alternative<canary::Observe>(action)) {
    canary::Observation seen = co_await observe();
    co_return seen;
  }
  if (std::holds_alternative<canary::EnsureApex>(action)) {
    canary::ApexReply reply = co_await ensure_apex();
    co_return reply;
  }
  if (std::holds_alternative<canary::EvaluateMetrics>(action)) {
    const base::MonoTime begun = shared_.clock.now();
    canary::CheckReply reply = co_await shared_.analyst.evaluate(spec_);
    shared_.meter.judged(spec_, shared_.clock.now() - begun);
    co_return reply;
  }
  Done done = co_await dispatch(std::move(action));
  co_return done;
}

base::Task<Done> Effects::dispatch(canary::Action action) {
  if (const auto* event = std::get_if<canary::Announce>(&action)) {
    shared_.announcer.announce(*canary_, spec_, *event, {});
    co_return Done();
  }
  if (const auto* note = std::get_if<canary::Note>(&action)) {
    shared_.announcer.note(spec_, *note);
    co_return Done();
  }
  if (const auto* alert = std::get_if<canary::Alert>(&action)) {
    shared_.announcer.alert(spec_, *alert, {});
    co_return Done();
  }
  if (const auto* outcome = std::get_if<canary::CountOutcome>(&action)) {
    shared_.meter.outcome(spec_, *outcome);
    co_return Done();
  }
  if (std::holds_alternative<canary::Drain>(action)) {
    co_await shared_.clock.sleep_for(shared_.drain);
    co_return Done();
  }
  base::Task<Done> task = [&]() -> base::Task<Done> {
    if (auto* a = std::get_if<canary::SaveStatus>(&action)) return save_status(std::move(*a));
    if (auto* a = std::get_if<canary::EnsurePrimary>(&action)) return workloads_.ensure_primary(*a);
    if (auto* a = std::get_if<canary::EnsurePrimaryScaler>(&action))
      return workloads_.ensure_primary_scaler(*a);
    if (auto* a = std::get_if<canary::SetRoutes>(&action)) return set_routes(a->routes);
    if (auto* a = std::get_if<canary::ScaleTarget>(&action)) return workloads_.scale_target(a->to);
    if (auto* a = std::get_if<canary::Promote>(&action)) return workloads_.promote(*a);
    if (auto* a = std::get_if<canary::GrowPrimary>(&action)) return workloads_.grow_primary(a->replicas);
    if (auto* a = std::get_if<canary::CallHook>(&action)) return shared_.caller.call(spec_, *a);
    if (std::holds_alternative<canary::EnsureServices>(action)) return ensure_services();
    if (std::holds_alternative<canary::EnsureRoute>(action)) return ensure_route();
    if (std::holds_alternative<canary::RestorePrimary>(action)) return workloads_.restore_primary();
    if (std::holds_alternative<canary::ForgetEarlierConfigs>(action))
      return workloads_.forget_earlier_configs();
    if (std::holds_alternative<canary::ReleaseApex>(action)) return release_apex();
    if (std::holds_alternative<canary::RemoveFinalizer>(action)) return remove_finalizer();
    if (std::holds_alternative<canary::ClearCommand>(action)) return clear_command();
    return shared_.analyst.check_providers(spec_);
  }();
  Done done = co_await std::move(task);
  co_return done;
}

base::Task<Done> Effects::save_status(canary::SaveStatus wanted) {
  Json object = *canary_;
  const base::WallTime now = shared_.clock.wall_now();
  object.set("status") = canary::write_status(*canary_, wanted.status, spec_.target_kind, now);
  announcements_.enter(object, wanted.messages, now);
  base::Result<Json> written =
      co_await shared_.world.api().replace(resources::canaries, object, "status", {});
  if (!written) co_return fail(std::move(written.error()));
  shared_.world.wrote(resources::canaries, *written);
  canary_ = std::make_shared<const Json>(std::move(*written));
  shared_.meter.status(spec_, wanted.status.phase);
  // Told from what was sent: a CRD without the field has dropped the list.
  announcements_.tell(object, spec_);
  co_return Done();
}

base::Task<Done> Effects::ensure_services() {
  if (!kind_.has_pods()) {
    Done made = co_await workloads_.ensure_canary_service();
    co_return made;
  }
  base::Result<workload::SelectorLabel> label = workloads_.label();
  if (!label) co_return fail(std::move(label.error()));
  Done done = co_await services_.ensure(*label, workloads_.target());
  co_return done;
}

base::Task<canary::ApexReply> Effects::ensure_apex() {
  if (!kind_.has_pods()) co_return canary::ApexReply();
  base::Result<workload::SelectorLabel> label = workloads_.label();
  if (!label) co_return canary::ApexReply{fail(std::move(label.error()))};
  canary::ApexReply reply = co_await services_.ensure_apex(*label, workloads_.target());
  co_return reply;
}

base::Task<Done> Effects::ensure_route() {
  base::Result<workload::SelectorLabel> label = workloads_.label();
  if (!label) co_return fail(std::move(label.error()));
  Done done = co_await routes_.ensure(*label, affinity());
  co_return done;
}

/// A target without a label, or without itself, must not keep traffic from being brought to safety.
base::Task<Done> Effects::set_routes(canary::Routes routes) {
  Done done =
      co_await routes_.set(workloads_.label().value_or(workload::SelectorLabel()), affinity(), routes);
  co_return done;
}

base::Task<Done> Effects::release_apex() {
  const base::Result<workload::SelectorLabel> label = workloads_.label();
  if (!label) co_return Done();
  if (kind_.has_pods()) {
    Done released = co_await services_.release_apex(*label);
    if (!released) co_return released;
  }
  Done done = co_await routes_.release(*label, affinity());
  co_return done;
}

base::Task<Done> Effects::clear_command() {
  Json patch;
  for (const std::string_view key : command_annotations) patch.set("metadata", "annotations", key) = Json();
  base::Result<Json> written = co_await shared_.world.api().patch(
      resources::canaries, spec_.ns, spec_.name, kube::PatchType::merge, std::move(patch), "", {});
  if (!written) co_return fail(std::move(written.error()));
  shared_.world.wrote(resources::canaries, *written);
  canary_ = std::make_shared<const Json>(std::move(*written));
  co_return Done();
}

base::Task<Done> Effects::remove_finalizer() {
  Json object = *canary_;
  Json& finalizers = object.set("metadata", "finalizers");
  std::erase(finalizers.make_array(), Json("finalizer.flagger.app"));
  base::Result<Json> written =
      co_await shared_.world.api().replace(resources::canaries, std::move(object), "", {});
  if (!written) co_return fail(std::move(written.error()));
  shared_.world.removed(resources::canaries, kube::ref_of(*canary_));
  co_return Done();
}

}  // namespace serin::controller
