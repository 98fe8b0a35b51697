#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kube/api.h"
#include "tests/kubernetes/expectation.h"
#include "tests/kubernetes/stand_ins.h"

namespace serin::kubernetes_test {

/// What all scenarios share. All of it outlives them.
struct Theatre {
  kube::Api& api;
  base::Clock& clock;
  MetricsStandIn& metrics;
  WebhookReceiver& receiver;
  std::string webhooks;         ///< the receiver's "host:port"
  std::filesystem::path files;  ///< this test's folder: manifests/ and expected/
};

/// One scenario in a namespace of its own, "g-<name>". Steps that come after one that went wrong do nothing,
/// so that a scenario reads as a list of steps; what went wrong is in problems().
class Stage {
 public:
  Stage(Theatre theatre, std::string name);

  [[nodiscard]] const std::string& ns() const { return ns_; }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[nodiscard]] const std::vector<Event>& events() const { return inbox_.events; }
  /// The first event whose message contains the text; null if there is none.
  [[nodiscard]] const Event* find_event(std::string_view text) const;

  // --- Steps

  /// Namespace, Deployment and HPA; `change` may alter each object before it is created.
  base::Task<void> install(std::function<void(kube::Json&)> change = {});
  /// Creates all objects of a manifest.
  base::Task<void> create(std::string manifest, std::function<void(kube::Json&)> change = {});
  base::Task<void> merge(kube::Resource resource, std::string name, kube::Json patch);
  base::Task<void> set_image(std::string image);
  /// Returns when the Canary has gone.
  base::Task<void> remove_canary();
  /// From now on, queries of this namespace that contain `part` have this value.
  void measure(std::string part, double value);
  /// An event that contains `text` comes, after those that were expected before.
  base::Task<void> expect_event(std::string text);
  /// The namespace's objects become what expected/<scenario>/<mark>.yaml holds.
  base::Task<void> expect_objects(std::string mark);
  /// All events so far are those of expected/<scenario>/events.txt.
  void expect_all_events();

 private:
  bool failed(const base::Result<kube::Json>& outcome, const std::string& step);
  base::Task<base::Result<Objects>> read_all(std::string mark);

  Theatre theatre_;
  std::string name_, ns_;
  Inbox& inbox_;
  std::size_t expected_ = 0;  ///< events up to here have been expected
  std::vector<std::string> problems_;
};

}  // namespace serin::kubernetes_test
