#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/controller.h"
#include "local/controllers/cluster_for_tests.h"
#include "tests/simulation/mortal_api.h"

namespace serin::simulation {

/// A cluster in virtual time with the unmodified controller in it, from caches to effects: the embedded API
/// server's registry and controllers, a node that makes pods ready, and answers to hooks and checks that the
/// test gives. The controller can be killed at any point where it waits; another takes over at once.
class Simulation {
 public:
  struct Plan {
    int dies_at = -1;            ///< the point at which the first controller dies; -1: never
    bool reroutes_late = false;  ///< the planted bug
  };

  explicit Simulation(Plan plan);
  ~Simulation();

  local::testing::Cluster cluster;
  std::function<std::string()> check = [] {
    return std::string();
  };  ///< a failed check's text; empty: passed
  std::vector<std::string> events;      ///< the canary's, in order: "Normal Progressing text"
  std::vector<std::string> alerts;      ///< in chat rooms, in order
  std::vector<std::string> violations;  ///< of the safety rules, after any write

  /// Creates Deployment and Canary (altered by `change`) and waits for the end of the bootstrap.
  void bootstrap(const std::function<void(Json&)>& change = {});
  /// The API server answers reads of this kind (plural; empty: none) with errors from now on.
  void make_unreadable(const std::string& plural);
  void set_image(const std::string& tag);
  /// Lets the world run until the canary is in this phase; false if it takes longer.
  bool reaches(const std::string& phase, base::Duration within = std::chrono::minutes(10));
  [[nodiscard]] Json get(const kube::Resource& resource, const std::string& name);
  [[nodiscard]] std::vector<std::string> texts() const;  ///< of events, waiting messages left out
  /// How many points the first controller has passed so far.
  [[nodiscard]] int points() const;
  [[nodiscard]] const std::string& last_words() const { return last_words_; }
  /// Everything that happened, for comparing two runs.
  [[nodiscard]] std::string trace();

 private:
  struct Incarnation;
  void start_controller(int dies_at);
  void stop_controller();
  base::Task<void> keep_one_alive();
  void check_rules();
  /// Whether a message has been heard before: its receivers know it by its id.
  bool has_heard(const std::string& id);

  Plan plan_;
  base::Wakeup death_;
  std::unique_ptr<Incarnation> now_;
  int points_ = -1;  ///< of the first controller; -1: it still lives
  std::string last_words_;
  std::set<std::string> heard_;
  base::TaskGroup keeper_;
};

}  // namespace serin::simulation
