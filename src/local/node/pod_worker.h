#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "local/node/container.h"
#include "local/node/node_context.h"

namespace serin::local {

/// One pod of the node, from its binding to its removal: makes its sandbox and volumes, runs its containers
/// and writes its status. Two tasks only: one lives the pod's life in sequence, the other writes the status
/// whenever something has changed; containers have one each.
class PodWorker {
 public:
  PodWorker(NodeContext& node, base::Json pod, std::string address);

  /// Returns when the pod has ended and its object is gone.
  base::Task<void> run();
  /// The object has changed.
  void update(base::Json pod);
  /// The object is gone: the pod ends without ceremony.
  void vanish();
  /// A ConfigMap or Secret of the pod's namespace has changed.
  void refresh_volumes();
  /// The Services have changed.
  void refresh_hosts();

  [[nodiscard]] const base::Json& pod() const { return context_.pod; }
  [[nodiscard]] const std::string& address() const { return context_.address; }
  /// Null before the sandbox is there and after the pod's end.
  [[nodiscard]] ProcessHost* host() const { return context_.host.get(); }
  /// Null if there is none of that name.
  [[nodiscard]] Container* container(std::string_view name);

 private:
  void make_containers();
  base::Task<void> live();
  base::Task<bool> set_up();
  base::Task<base::Result<void>> make_sandbox();
  base::Task<bool> run_init_containers();
  void start_container(Container& container);
  base::Task<void> run_container(Container& container);
  base::Task<void> containers_ended();
  base::Task<void> write_statuses();
  base::Task<void> write_status();
  base::Task<void> remove_object();
  void begin_end();
  [[nodiscard]] PodFacts facts() const;

  PodContext context_;
  base::TaskGroup tasks_;
  base::Wakeup wake_, dirty_;
  std::deque<Container> init_containers_, containers_;
  int running_ = 0;  // containers whose run() has not returned
  std::optional<base::WallTime> started_at_;
  base::Json written_;  // the status as last written
  bool finished_before_ = false, ending_ = false, vanished_ = false;
};

}  // namespace serin::local
