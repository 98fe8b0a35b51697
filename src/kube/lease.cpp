#include "kube/lease.h"

#include <fmt/format.h>

namespace serin::kube {

using base::Duration;
using base::Errc;
using base::fail;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

LeaderElection::LeaderElection(Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                               LeaseOptions options)
    : api_(api), clock_(clock), random_(random), log_(std::move(log)), options_(std::move(options)) {}

bool LeaderElection::is_leader() const {
  return clock_.now() < leader_until_;
}

Task<void> LeaderElection::acquire() {
  log_.info(fmt::format("Starting leader election id: {} configmap: {} namespace: {}", options_.identity,
                        options_.name, options_.ns));
  bool complained = false;
  while (true) {
    auto attempted = co_await attempt_until(clock_.now() + options_.renew_deadline);
    if (attempted && *attempted) break;
    if (!attempted && attempted.error().code != Errc::conflict && !std::exchange(complained, true)) {
      log_.error(fmt::format("leader election: {}", attempted.error().message));
    }
    if (attempted) complained = false;
    // Later than `retry`, never sooner: candidates spread out.
    co_await clock_.sleep_for(options_.retry + Duration(static_cast<Duration::rep>(random_.fraction() * 0.2 *
                                                                                   options_.retry.count())));
  }
  log_.info("Acting as elected leader");
}

Task<void> LeaderElection::hold() {
  while (is_leader()) {
    const MonoTime next = std::min(clock_.now() + options_.retry, leader_until_);
    co_await clock_.sleep_until(next);
    if (!is_leader()) break;
    auto attempted = co_await attempt_until(leader_until_);
    if (!attempted && attempted.error().code == Errc::conflict) {
      attempted = co_await attempt_until(leader_until_);  // somebody wrote in between: look who it was
    }
    if (attempted && !*attempted) leader_until_ = {};  // another holder: no need to wait for the fence
    if (!attempted) log_.warn(fmt::format("leader election: cannot renew: {}", attempted.error().message));
  }
  log_.error("Leadership lost");
}

Task<Result<void>> LeaderElection::release() {
  leader_until_ = {};
  auto lease = co_await api_.get(resources::leases, options_.ns, options_.name);
  if (!lease) co_return fail(lease.error().within("release the lease"));
  if (lease->get("spec", "holderIdentity").str() != options_.identity) co_return Result<void>{};
  lease->set("spec", "holderIdentity") = "";
  lease->set("spec", "leaseDurationSeconds") = 1;
  lease->set("spec", "renewTime") = base::format_rfc3339_micro(clock_.wall_now());
  auto written = co_await api_.replace(resources::leases, std::move(*lease), "", {});
  if (!written) co_return fail(written.error().within("release the lease"));
  co_return Result<void>{};
}

Task<Result<bool>> LeaderElection::attempt_until(MonoTime deadline) {
  Task<Result<bool>> attempting = attempt();
  auto attempted = co_await base::with_deadline(
      clock_, deadline, std::move(attempting),
      fmt::format("lease {}.{}: no answer from the API in time", options_.name, options_.ns));
  co_return attempted;
}

Task<Result<bool>> LeaderElection::attempt() {
  // The fence counts from before the request: the server may have noted the renewal then.
  const MonoTime began = clock_.now();
  auto lease = co_await api_.get(resources::leases, options_.ns, options_.name);
  Result<Json> written = fail(Errc::internal, "");
  if (lease) {
    observe(*lease);
    if (!may_take(*lease)) co_return false;
    lease->set("spec") = next_spec(*lease);
    written = co_await api_.replace(resources::leases, std::move(*lease), "", {});
  } else if (lease.error().code == Errc::not_found) {
    Json fresh = next_spec(Json::object());
    written = co_await create_lease(std::move(fresh));
  } else {
    co_return fail(std::move(lease.error()));
  }
  if (!written) co_return fail(std::move(written.error()));
  observe(*written);
  leader_until_ = began + options_.renew_deadline;
  co_return true;
}

Task<Result<Json>> LeaderElection::create_lease(Json spec) {
  Json lease =
      Json::object({{"apiVersion", resources::leases.api_version()},
                    {"kind", resources::leases.kind},
                    {"metadata", Json::object({{"name", options_.name}, {"namespace", options_.ns}})},
                    {"spec", std::move(spec)}});
  auto created = co_await api_.create(resources::leases, options_.ns, std::move(lease), {});
  // Another candidate was faster; that is a conflict like any other.
  if (!created && created.error().code == Errc::already_exists) {
    co_return fail(Errc::conflict, created.error().message);
  }
  co_return created;
}

void LeaderElection::observe(const Json& lease) {
  if (resource_version_of(lease) != seen_version_) {
    seen_version_ = resource_version_of(lease);
    seen_at_ = clock_.now();
  }
  const std::string& holder = lease.get("spec", "holderIdentity").str();
  if (holder == seen_holder_) return;
  seen_holder_ = holder;
  if (!holder.empty() && holder != options_.identity) {
    log_.info(fmt::format("Another instance has been elected as leader: {}", holder));
  }
}

bool LeaderElection::may_take(const Json& lease) const {
  const std::string& holder = lease.get("spec", "holderIdentity").str();
  if (holder.empty() || holder == options_.identity) return true;
  const std::int64_t promised =
      lease.get("spec", "leaseDurationSeconds").int_or(whole_seconds(options_.duration));
  return clock_.now() >= seen_at_ + std::chrono::seconds(promised);
}

Json LeaderElection::next_spec(const Json& lease) const {
  Json spec = lease["spec"].is_object() ? lease["spec"] : Json::object();
  const std::string now = base::format_rfc3339_micro(clock_.wall_now());
  if (spec["holderIdentity"].str() != options_.identity) {
    const bool is_first = spec["acquireTime"].is_null();
    spec.set("acquireTime") = now;
    spec.set("leaseTransitions") = is_first ? 0 : spec["leaseTransitions"].int_or(0) + 1;
  }
  spec.set("holderIdentity") = options_.identity;
  spec.set("leaseDurationSeconds") = whole_seconds(options_.duration);
  spec.set("renewTime") = now;
  return spec;
}

}  // namespace serin::kube
