#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "canary/action.h"
#include "canary/spec.h"
#include "kube/api.h"
#include "workload/labels.h"

namespace serin::routing {

using base::Json;

/// An object that a router looks at, by kind and name.
struct ObjectKey {
  kube::Resource resource;
  kube::ObjectRef ref;
  bool operator==(const ObjectKey&) const = default;
};

/// Everything routing decisions are made on.
struct Situation {
  const canary::Spec& spec;
  workload::SelectorLabel label;  ///< of the target's pods
  canary::Affinity affinity;      ///< the session cookies in force
  /// The live object, or null: missing, on its way out, or of an earlier Canary of this name.
  std::function<const Json*(const kube::Resource&, const kube::ObjectRef&)> live;
};

/// One object to be written, and the words for it.
struct Write {
  kube::Resource resource;
  Json object;  ///< whole; an update carries the resourceVersion it was decided on
  enum class Verb { create, replace, remove } verb = Verb::replace;
  std::string attempt;  ///< what an error is prefixed with: "TrafficSplit podinfo.test update error"
  std::string done;     ///< the log line after it: "TrafficSplit podinfo.test updated"; empty: none
};
using Writes = std::vector<Write>;

/// How one provider divides the traffic of a canary (spec 05 §2): pure functions from the live objects to
/// what is to be written. The owner carries out the writes in order and stops at the first that fails.
class Router {
 public:
  virtual ~Router() = default;

  [[nodiscard]] virtual canary::Capabilities capabilities() const = 0;
  /// The kinds it needs. A server that does not offer the first one cannot be routed with.
  [[nodiscard]] virtual std::vector<kube::Resource> kinds() const = 0;
  /// Every object it looks at, its own and others': a change of one calls for another look.
  [[nodiscard]] virtual std::vector<ObjectKey> objects(const canary::Spec& spec) const = 0;
  /// What this spec asks for that the provider cannot do, or can't do safely; such a canary is refused before
  /// anything changes. Each names the field and the remedy.
  [[nodiscard]] virtual std::vector<std::string> problems(const canary::Spec&) const { return {}; }
  /// What it takes for the objects to exist and to be structurally right. Weights in force are kept; what is
  /// made anew starts at 100/0. Fields of others stay as they are. Nothing to do: empty.
  [[nodiscard]] virtual base::Result<Writes> reconcile(const Situation& situation) const = 0;
  /// The routes in force; nullopt: there is no object yet. Error (invalid): it cannot be read.
  [[nodiscard]] virtual base::Result<std::optional<canary::Routes>> read(
      const Situation& situation) const = 0;
  /// What it takes for exactly these routes to be in force. Error (not_found): there is nothing to set them
  /// on.
  [[nodiscard]] virtual base::Result<Writes> set(const Situation& situation, canary::Routes routes) const = 0;
  /// When the Canary goes: what has to be put back; its own objects are collected with it.
  [[nodiscard]] virtual base::Result<Writes> release(const Situation&) const { return Writes(); }
};

/// What flags say about routing.
struct RouterOptions {
  std::string ingress_annotations_prefix = "nginx.ingress.kubernetes.io";
  bool no_cross_namespace_refs = false;
};

/// The routers for a provider as spec.provider or -mesh-provider name it (spec 05, 06 §1), the best first:
/// the first whose kinds the server offers is to be used, and the first of all if there is none. Error
/// (invalid): an unknown provider, with the names of those that are known.
base::Result<std::vector<std::unique_ptr<Router>>> routers_for(const std::string& provider,
                                                               const RouterOptions& options);

/// Why an object that exists under a name we need is not ours to write: somebody else controls it. Empty: it
/// is ours, or nobody's.
std::string foreign_controller(const Json& live, const canary::Spec& spec);

}  // namespace serin::routing
