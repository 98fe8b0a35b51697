#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "canary/action.h"

namespace serin::canary {

/// What a controller remembers of a canary between two turns. Losing it (a restart) is safe: a weight is then
/// judged one interval later, a wait starts anew, a text may be announced twice.
struct Memory {
  std::optional<base::MonoTime> judged;  ///< when the present weight was set, or last judged
  struct Wait {
    std::optional<base::MonoTime> since;  ///< when it began, or last made progress
    int progress = 0;
    std::string text;  ///< what was announced of it
  };
  Wait primary, canary;                            ///< waits for the readiness of the two workloads
  bool rolling_back = false;                       ///< a rollback has been announced and isn't through
  std::optional<std::vector<Message>> conclusion;  ///< what came of the post-rollout hooks, not saved yet
  std::string problem;                             ///< the last problem that was announced
  bool suspended = false;                          ///< that it is suspended has been announced
  bool providers_online = false;
  bool paused = false;  ///< that it is paused has been announced
  std::optional<Phase> phase_before_deletion;
  std::optional<base::MonoTime> unknown_since;  ///< when checks began to have nothing to judge by
  std::optional<base::MonoTime> shared_since;   ///< when the primary began to fail whatever the canary does
  std::optional<base::MonoTime> route_refused;  ///< since when the next step cannot be routed
  std::optional<base::MonoTime> growing;  ///< since when the primary is awaited to take the traffic back
  std::string closed_gate;                ///< the gate before more traffic that was found closed last
  bool idle_told = false;                 ///< that it receives no requests has been announced in this run
  int foreign_routes = 0;                 ///< how often in this run somebody else changed the routes
};

struct Settings {
  base::Duration retry = std::chrono::seconds(2);  ///< pause before something that failed is tried again
  base::Duration
      unknown_grace{};  ///< how long checks may have nothing to judge by before that counts as failed
  base::Duration shared_grace{};  ///< how long a canary may fail what its primary fails as well
  /// How long a rollback waits for the primary to be large enough for all traffic.
  base::Duration capacity_wait = std::chrono::seconds(30);
  int foreign_routes_max = 10;  ///< so many changes of routes by somebody else end a run
};

/// What people ask of a canary by its annotations (docs/commands.md).
struct Command {
  enum class Verb { approve, promote, rollback, restart };
  bool paused = false;
  std::optional<Verb> verb;  ///< carried out once
  std::string by;            ///< who asked, and why, as far as it is known: " by ann: too many complaints"
};

/// Everything one turn is decided on.
struct Input {
  Spec spec;
  std::vector<std::string> problems;  ///< of the spec, or with other canaries; non-empty: nothing is started
  Status status;
  Memory memory;
  Observation seen;
  Command command;
  bool deleting = false;
  bool has_finalizer = false;
  Settings settings;
  std::string no_room = {};  ///< why no run may begin now; empty: it may
};

/// "approve", and back; nullopt for an unknown name.
std::string_view name_of(Command::Verb verb);
std::optional<Command::Verb> parse_verb(std::string_view name);

/// How a turn ended.
struct Outcome {
  Memory memory;
  Status status;                       ///< as last saved
  std::optional<base::MonoTime> wake;  ///< when to look again without being called; nullopt: only when called
};

/// One turn of the state machine (spec 01). The owner carries out asked() and goes on with reply() until
/// done(). A turn is started whenever something the canary depends on has changed, and at Outcome::wake.
///
/// Safety (docs/architecture.md): weights add up to 100; traffic is never sent to a workload without ready
/// pods while the other has some; the target is never scaled down while traffic is routed to it; what is
/// promoted is the revision that was analysed; a rollback waits for no hook, metric or event.
class Turn {
 public:
  Turn(Input input, base::MonoTime now);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn();

  [[nodiscard]] bool done() const;
  /// The action to carry out; only while not done().
  [[nodiscard]] const Action& asked() const;
  /// `now`: when the action had been carried out.
  void reply(Reply reply, base::MonoTime now);
  /// Only when done().
  [[nodiscard]] Outcome outcome() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

/// The id that a primary carries for a revision: it depends on the canary, the revision and its configs
/// alone, so that a promotion that was interrupted is recognised and not repeated.
std::string promotion_id(const Spec& spec, const std::string& revision,
                         const std::optional<std::map<std::string, std::string>>& configs);

/// Whether target or configs differ from what is promoted and from what was last tried (spec 01 §5.1, §5.2).
bool is_new_revision(const Status& status, const Observation& seen);

}  // namespace serin::canary
