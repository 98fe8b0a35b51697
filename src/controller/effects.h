#pragma once

#include <string>

#include "canary/action.h"
#include "controller/configs.h"
#include "controller/ports.h"
#include "controller/world.h"
#include "workload/deployment.h"

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
};

/// Carries out the actions of one canary's turn. Each is idempotent: it compares with what is there, and
/// writes on the version it compared with.
class Effects {
 public:
  /// `canary`: the object the turn is decided on.
  Effects(Shared& shared, canary::Spec spec, World::Value canary);

  base::Task<canary::Reply> carry_out(canary::Action action);
  /// What the world looks like to the canary now.
  base::Task<canary::Observation> observe();

 private:
  base::Task<canary::Done> save_status(canary::Status status);
  base::Task<canary::Done> ensure_services();
  base::Task<canary::Done> ensure_primary(canary::EnsurePrimary wanted);
  base::Task<canary::Done> ensure_primary_scaler(canary::EnsurePrimaryScaler wanted);
  base::Task<canary::ApexReply> ensure_apex();
  base::Task<canary::Done> ensure_route();
  base::Task<canary::Done> set_routes(canary::Routes routes);
  base::Task<canary::Done> scale_target(canary::ScaleTarget::To to);
  base::Task<canary::Done> promote(canary::Promote wanted);
  base::Task<canary::Done> restore_primary();
  base::Task<canary::Done> release_apex();
  base::Task<canary::Done> remove_finalizer();
  base::Task<canary::Done> copy_configs(TrackedConfigs tracked, Json pod_template);

  /// Creates or replaces, and lets the world know. Errors are "<attempt>: <API's text>".
  base::Task<canary::Done> create(kube::Resource resource, Json object, std::string attempt);
  base::Task<canary::Done> replace(kube::Resource resource, Json object, std::string attempt);
  /// A Service that is compared and written if it differs.
  base::Task<canary::Done> ensure_service(int role);
  base::Task<canary::Done> dispatch(canary::Action action);

  [[nodiscard]] World::Value find(const kube::Resource& resource, const std::string& name) const;
  [[nodiscard]] base::Result<workload::SelectorLabel> label() const;
  [[nodiscard]] kube::ObjectRef ref(const std::string& name) const { return {spec_.ns, name}; }

  Shared& shared_;
  canary::Spec spec_;
  World::Value canary_;
};

}  // namespace serin::controller
