#include "controller/route_effects.h"

namespace serin::controller {

using canary::Done;

routing::Situation RouteEffects::situation(const workload::SelectorLabel& label,
                                           const canary::Affinity& affinity) const {
  // What was found is kept alive by the world until the next write or watch event, and no decision outlives
  // it.
  return {spec_, label, affinity, [this](const kube::Resource& resource, const kube::ObjectRef& ref) {
            return objects_.find(resource, ref).get();
          }};
}

void RouteEffects::observe(canary::Observation& seen, const workload::SelectorLabel& label,
                           const canary::Affinity& affinity) const {
  seen.capabilities = router_.capabilities();
  base::Result<std::optional<canary::Routes>> routes = router_.read(situation(label, affinity));
  if (routes) {
    seen.routes = *routes;
  } else {
    seen.route_problem = routes.error().message;
  }
}

base::Task<Done> RouteEffects::carry_out(base::Result<routing::Writes> writes) {
  if (!writes) co_return base::fail(std::move(writes.error()));
  for (routing::Write& write : *writes) {
    base::Task<Done> writing = [&] {
      using enum routing::Write::Verb;
      if (write.verb == create)
        return objects_.create(write.resource, std::move(write.object), write.attempt, write.done);
      if (write.verb == remove)
        return objects_.remove(write.resource, std::move(write.object), write.attempt, write.done);
      return objects_.replace(write.resource, std::move(write.object), write.attempt, write.done);
    }();
    Done done = co_await std::move(writing);
    if (!done) co_return done;
  }
  co_return Done();
}

base::Task<Done> RouteEffects::ensure(workload::SelectorLabel label, canary::Affinity affinity) {
  base::Result<routing::Writes> writes = router_.reconcile(situation(label, affinity));
  Done done = co_await carry_out(std::move(writes));
  co_return done;
}

/// Somebody else's write in between changes what we have read, not what we want: decided anew, a few times.
base::Task<Done> RouteEffects::set(workload::SelectorLabel label, canary::Affinity affinity,
                                   canary::Routes routes) {
  constexpr int tries = 5;
  for (int attempt = 1;; ++attempt) {
    base::Result<routing::Writes> writes = router_.set(situation(label, affinity), routes);
    Done done = co_await carry_out(std::move(writes));
    if (done) meter_.weight(spec_, routes);
    if (done || done.error().code != base::Errc::conflict || attempt == tries) co_return done;
    for (const routing::ObjectKey& key : router_.objects(spec_))
      co_await objects_.refresh(key.resource, key.ref);
  }
}

base::Task<Done> RouteEffects::release(workload::SelectorLabel label, canary::Affinity affinity) {
  base::Result<routing::Writes> writes = router_.release(situation(label, affinity));
  Done done = co_await carry_out(std::move(writes));
  co_return done;
}

}  // namespace serin::controller
