#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "local/controllers/plan.h"

namespace serin::local {

/// Writes Events about objects. One that repeats within ten minutes is counted on the first, and not more
/// often than every 30 s, so that a controller that keeps failing does not keep writing. Failures are logged.
class EventWriter {
 public:
  EventWriter(kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log)
      : api_(api), clock_(clock), random_(random), log_(std::move(log)) {}

  /// `component`: who says so ("deployment-controller").
  base::Task<void> write(std::string component, Json about, Notice notice);

 private:
  struct Told {
    std::string name;
    int count = 0;
    base::WallTime last, written;
  };
  base::Task<void> count_again(Told& told, std::string ns);
  void forget(base::WallTime now);

  kube::Api& api_;
  base::Clock& clock_;
  base::Random& random_;
  base::Logger log_;
  std::map<std::string, Told> told_;
};

}  // namespace serin::local
