#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/api.h"

namespace serin::simulation {

using base::Json;

/// The life of one controller process: every point where it waits for the world is counted, and at one of
/// them it dies. What it had sent by then has happened; nothing it would do afterwards does.
class Life {
 public:
  /// `death` is notified when it dies; negative `dies_at`: never.
  Life(base::Executor executor, int dies_at, base::Wakeup& death)
      : executor_(std::move(executor)), dies_at_(dies_at), death_(death) {}

  /// Called when something the controller waited for has happened, just before it hears of it. Never returns
  /// once the controller is dead.
  base::Task<void> pass(std::string what);
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] int points() const { return points_; }
  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  base::Executor executor_;
  int dies_at_;
  base::Wakeup& death_;
  int points_ = 0;
  bool over_ = false;
  std::string last_;
};

/// The API as a mortal controller has it.
class MortalApi final : public kube::Api {
 public:
  /// `after_write` sees the world after every write. With `reroutes_late` the controller has a planted bug:
  /// the route back to the primary is written only after the target has been scaled down.
  MortalApi(kube::Api& api, Life& life, std::function<void()> after_write, bool reroutes_late);

  /// Reads of single objects of this kind (plural) fail with status 500 while it is set.
  std::string unreadable;

  base::Task<base::Result<Json>> get(kube::Resource resource, std::string ns, std::string name) override;
  base::Task<base::Result<kube::List>> list(kube::Resource resource, std::string ns,
                                            kube::ListOptions options) override;
  base::Task<base::Result<std::unique_ptr<kube::Watch>>> watch(kube::Resource resource, std::string ns,
                                                               std::string version,
                                                               kube::ListOptions options) override;
  base::Task<base::Result<Json>> create(kube::Resource resource, std::string ns, Json object,
                                        kube::WriteOptions options) override;
  base::Task<base::Result<Json>> replace(kube::Resource resource, Json object, std::string subresource,
                                         kube::WriteOptions options) override;
  base::Task<base::Result<Json>> patch(kube::Resource resource, std::string ns, std::string name,
                                       kube::PatchType type, Json patch, std::string subresource,
                                       kube::WriteOptions options) override;
  base::Task<base::Result<void>> remove(kube::Resource resource, std::string ns, std::string name,
                                        kube::DeleteOptions options) override;
  base::Task<base::Result<Json>> get_path(std::string path) override;

 private:
  base::Task<void> wrote(std::string what);

  kube::Api& api_;
  Life& life_;
  std::function<void()> after_write_;
  bool reroutes_late_;
  Json held_back_;
};

}  // namespace serin::simulation
