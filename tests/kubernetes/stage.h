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
  std::string prometheus;       ///< the URL of what stands in for it
  std::filesystem::path files;  ///< this test's folder: manifests/ and expected/
};

/// One scenario in a namespace of its own, "g-<name>". Steps that come after one that went wrong do nothing,
/// so that a scenario reads as a list of steps; what went wrong is in problems().
class Stage {
 public:
  Stage(Theatre theatre, std::string name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& ns() const { return ns_; }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[nodiscard]] const std::vector<Event>& events() const { return inbox_.events; }
  /// The first event whose message contains the text; null if there is none.
  [[nodiscard]] const Event* find_event(std::string_view text) const;

  // --- Steps

  /// The namespace and the workload; `change` may alter each object before it is created.
  base::Task<void> install(std::function<void(kube::Json&)> change = {},
                           std::string manifest = "deployment.yaml");
  /// Creates all objects of a manifest. In its texts, NAMESPACE is this stage's, the host "webhooks" the
  /// receiver's address, and http://prometheus the URL of its stand-in.
  base::Task<void> create(std::string manifest, std::function<void(kube::Json&)> change = {});
  base::Task<void> merge(kube::Resource resource, std::string name, kube::Json patch);
  base::Task<void> set_image(std::string image, kube::Resource kind = kube::resources::deployments);
  /// Returns when the Canary has gone.
  base::Task<void> remove_canary();
  /// From now on, queries of this namespace that contain `part` have this value.
  void measure(std::string part, double value);
  /// From now on, hooks to http://webhooks/NAMESPACE/<path> are answered with this status.
  void answer_hook(std::string path, int status);
  /// An event that contains `text` comes, after those that were expected before.
  base::Task<void> expect_event(std::string text);
  /// The namespace's objects become what expected/<scenario>/<mark>.yaml holds.
  base::Task<void> expect_objects(std::string mark);
  /// All events so far are those of expected/<scenario>/events.txt.
  void expect_all_events();

 private:
  [[nodiscard]] kube::Json localized(const kube::Json& value) const;
  bool failed(const base::Result<kube::Json>& outcome, const std::string& step);
  base::Task<base::Result<Objects>> read_all(std::string mark);

  Theatre theatre_;
  std::string name_, ns_;
  Inbox& inbox_;
  std::size_t expected_ = 0;  ///< events up to here have been expected
  std::vector<std::string> problems_;
};

}  // namespace serin::kubernetes_test
