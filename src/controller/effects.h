#pragma once

#include <memory>
#include <string>

#include "canary/machine.h"
#include "controller/announcements.h"
#include "controller/configs.h"
#include "controller/fleet.h"
#include "controller/ports.h"
#include "controller/route_effects.h"
#include "controller/service_effects.h"
#include "controller/workload_effects.h"
#include "controller/world.h"

namespace serin::controller {

/// What every canary's effects share.
struct Shared {
  World& world;
  ConfigTracker& configs;
  Analyst& analyst;
  Caller& caller;
  Announcer& announcer;
  Meter& meter;
  base::Clock& clock;
  workload::Options options;
  std::string provider = "linkerd";  ///< of canaries that name none
  /// How long proxies get to learn a changed route before pods go away (spec 07 §10).
  base::Duration drain = std::chrono::seconds(3);
  routing::RouterOptions routing = {};
  canary::Settings settings = {};
  Fleet* fleet = nullptr;  ///< null: as many runs at once as there are canaries
};

/// Carries out the actions of one canary's turn. Each is idempotent: it compares with what is there, and
/// writes on the version it compared with.
class Effects {
 public:
  /// `canary`: the object the turn is decided on. Announcements, router and kind live as long as this.
  Effects(Shared& shared, Announcements& announcements, canary::Spec spec, World::Value canary,
          const routing::Router& router, const workload::Kind& kind);
  Effects(const Effects&) = delete;
  Effects& operator=(const Effects&) = delete;

  base::Task<canary::Reply> carry_out(canary::Action action);
  /// What the world looks like to the canary now.
  base::Task<canary::Observation> observe();

 private:
  base::Task<canary::Done> save_status(canary::SaveStatus wanted);
  base::Task<canary::Done> ensure_services();
  base::Task<canary::ApexReply> ensure_apex();
  base::Task<canary::Done> ensure_route();
  base::Task<canary::Done> set_routes(canary::Routes routes);
  base::Task<canary::Done> release_apex();
  base::Task<canary::Done> remove_finalizer();
  base::Task<canary::Done> clear_command();
  base::Task<canary::Done> dispatch(canary::Action action);
  /// The session cookies in force, of the status as last written.
  [[nodiscard]] canary::Affinity affinity() const;

  Shared& shared_;
  Announcements& announcements_;
  canary::Spec spec_;
  World::Value canary_;
  const workload::Kind& kind_;
  Objects objects_;
  WorkloadEffects workloads_;
  ServiceEffects services_;
  RouteEffects routes_;
};

}  // namespace serin::controller
