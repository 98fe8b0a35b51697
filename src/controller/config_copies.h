#pragma once

#include <set>
#include <string>

#include "controller/configs.h"
#include "controller/objects.h"
#include "workload/configs.h"

namespace serin::controller {

/// The primary's own copies of the target's tracked ConfigMaps and Secrets (spec 02 §4). While a promotion is
/// under way, what they held before is kept beside them: the promotion may fail.
class ConfigCopies {
 public:
  /// All live as long as this.
  ConfigCopies(Objects& objects, ConfigTracker& configs, const workload::Options& options,
               const canary::Spec& spec)
      : objects_(objects), configs_(configs), options_(options), spec_(spec) {}

  /// Brings the copies in line with what the target's pod template uses; its tracked keys. `primary_id`: the
  /// revision that the primary still carries, for which the former contents are kept; empty: they need not
  /// be.
  base::Task<base::Result<std::set<std::string>>> copy(Json pod_template, std::string primary_id);
  /// The copies that the primary's pod template uses hold what was kept for this revision.
  base::Task<canary::Done> restore(Json pod_template, std::string primary_id);
  /// Nothing is kept any longer for the copies that the primary's pod template uses.
  base::Task<void> forget(Json pod_template);

 private:
  base::Task<canary::Done> copy_one(workload::ConfigRef config, std::string primary_id);
  base::Task<canary::Done> keep(workload::ConfigRef config, Json copy, std::string primary_id);
  base::Task<canary::Done> restore_one(workload::ConfigRef copy, std::string primary_id);
  /// Null: there is none.
  base::Task<base::Result<Json>> read(workload::ConfigRef ref);
  /// Creates the object, or writes it over the one that is there (null: none).
  base::Task<canary::Done> put(kube::Resource resource, Json there, Json object, std::string attempt);

  Objects& objects_;
  ConfigTracker& configs_;
  const workload::Options& options_;
  const canary::Spec& spec_;
};

}  // namespace serin::controller
