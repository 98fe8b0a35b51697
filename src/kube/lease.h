#pragma once

#include <string>

#include "base/log.h"
#include "base/random.h"
#include "kube/api.h"

namespace serin::kube {

struct LeaseOptions {
  std::string ns;
  std::string name = "flagger-leader-election";
  std::string identity;                                ///< "<hostname>_<uuid>"
  base::Duration duration = std::chrono::seconds(60);  ///< how long others wait for a silent holder
  base::Duration renew_deadline = std::chrono::seconds(15);
  base::Duration retry = std::chrono::seconds(5);  ///< between attempts, jittered
};

/// Leader election on a coordination.k8s.io/v1 Lease (spec 04 §5): at most one holder acts at a time. A
/// holder stops counting itself as leader `renew_deadline` after its last successful renewal began, by its
/// own monotonic clock; others take over only `duration` after they last saw the lease change, by theirs. So
/// wall clocks need not agree.
class LeaderElection {
 public:
  LeaderElection(Api& api, base::Clock& clock, base::Random& random, base::Logger log, LeaseOptions options);

  /// Returns once this process is the leader.
  base::Task<void> acquire();
  /// Keeps the lease; returns when leadership is lost (then stop all work at once).
  base::Task<void> hold();
  /// Gives the lease back, so that the next instance takes over at once. Call it when all work has stopped.
  base::Task<base::Result<void>> release();

  /// May this process act right now? Ask before every write.
  [[nodiscard]] bool is_leader() const;
  /// Who holds the lease, as far as known.
  [[nodiscard]] const std::string& holder() const { return seen_holder_; }

 private:
  /// One attempt to become, or stay, leader: true if it worked.
  base::Task<base::Result<bool>> attempt();
  base::Task<base::Result<bool>> attempt_until(base::MonoTime deadline);
  base::Task<base::Result<Json>> create_lease(Json spec);
  void observe(const Json& lease);
  [[nodiscard]] bool may_take(const Json& lease) const;
  [[nodiscard]] Json next_spec(const Json& lease) const;

  Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  LeaseOptions options_;
  std::string seen_holder_, seen_version_;
  base::MonoTime seen_at_{};       ///< when the lease was last seen to change
  base::MonoTime leader_until_{};  ///< the fence
};

}  // namespace serin::kube
