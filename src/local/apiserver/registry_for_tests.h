#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/yaml.h"
#include "local/apiserver/embedded_crds.h"
#include "local/apiserver/registry.h"

namespace serin::local::testing {

/// Time that moves by hand; nothing here sleeps.
class HandClock final : public base::Clock {
 public:
  base::WallTime wall = base::parse_rfc3339("2026-11-23T04:00:00Z").value_or(base::WallTime{});
  [[nodiscard]] base::WallTime wall_now() const override { return wall; }
  [[nodiscard]] base::MonoTime now() const override { return {}; }
  base::Task<void> sleep_until(base::MonoTime) override { co_return; }
};

inline Json yaml(std::string_view text) {
  auto documents = base::parse_yaml(text);
  EXPECT_TRUE(documents && documents->size() == 1) << text;
  return documents && !documents->empty() ? documents->front() : Json();
}

/// A Registry on a store in memory.
struct World {
  HandClock clock;
  base::Random random{1};
  MemoryStore store;
  std::unique_ptr<Registry> registry;

  World() { open(); }
  /// Starts again from the store.
  void open(RegistryOptions options = {}) {
    registry.reset();
    auto opened = Registry::open(store, clock, random, std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) registry = std::move(*opened);
  }

  StatusResult<Written> create(const kube::Resource& resource, std::string_view text,
                               const std::string& ns = "default", WriteFlags flags = {}) {
    return registry->create(resource, resource.namespaced ? ns : "", yaml(text), flags);
  }
  StatusResult<Written> merge(const kube::Resource& resource, const std::string& name, std::string_view text,
                              std::string_view subresource = {}, const std::string& ns = "default") {
    return registry->patch(resource, {resource.namespaced ? ns : "", name}, subresource,
                           kube::PatchType::merge, yaml(text), {});
  }
  StatusResult<Removed> remove(const kube::Resource& resource, const std::string& name,
                               RemoveFlags flags = {}, const std::string& ns = "default") {
    return registry->remove(resource, {resource.namespaced ? ns : "", name}, flags);
  }
  /// null where there is none.
  Json get(const kube::Resource& resource, const std::string& name, const std::string& ns = "default") {
    auto object = registry->get(resource, {resource.namespaced ? ns : "", name});
    return object ? **object : Json();
  }
  void install_crds() {
    for (const EmbeddedFile& file : embedded_crds()) {
      const auto made = create(kube::resources::crds, file.text);
      EXPECT_TRUE(made) << file.name << ": " << made.error().message;
    }
  }
};

/// "<code> <reason>: <message>" of a refusal; "ok" otherwise.
template <class T>
std::string outcome(const StatusResult<T>& result) {
  if (result) return "ok";
  return std::to_string(result.error().code) + " " + result.error().reason + ": " + result.error().message;
}

inline const char* const podinfo_yaml = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo, labels: {app: podinfo}}
spec:
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec: {containers: [{name: podinfod, image: "podinfo:6.0.0"}]}
)";

inline const char* const canary_yaml = R"(
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis: {interval: 10s, threshold: 5, stepWeight: 10, maxWeight: 50}
)";

}  // namespace serin::local::testing
