#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "canary/message.h"
#include "controller/ports.h"

namespace serin::controller {

/// What a canary's steps are to be announced with: stored in status.announcing by the write that is the step,
/// told by whoever reads it there, and taken off the status when it has arrived. So a controller that dies in
/// between loses no announcement. Each becomes one Event; a webhook or a chat room hears one twice only if
/// the controller dies after its arrival and before that is written down (scenario 60).
class Announcements {
 public:
  /// `changed` is notified when something has arrived.
  Announcements(Announcer& announcer, base::Wakeup& changed);

  /// Adds `messages` to the list in the status of `canary`, which is about to be written, and takes what has
  /// arrived off it. Their ids sort by time, and hold its version: no two writes that succeed replace the
  /// same one.
  void enter(base::Json& canary, const std::vector<canary::Message>& messages, base::WallTime now) const;
  /// Tells what the Canary's status lists, each once.
  void tell(const base::Json& canary, const canary::Spec& spec);
  /// Whether the Canary lists something that has arrived.
  [[nodiscard]] bool is_due(const base::Json& canary) const;

 private:
  [[nodiscard]] bool has_arrived(const base::Json& entry) const;
  [[nodiscard]] std::shared_ptr<void> receipt(std::string id);

  /// Outlived by receipts that are still out.
  struct Arrivals {
    base::Wakeup& changed;
    std::map<std::string, bool> by_id;  ///< of what this controller has told: whether it has arrived
  };

  Announcer& announcer_;
  std::shared_ptr<Arrivals> arrivals_;
};

}  // namespace serin::controller
