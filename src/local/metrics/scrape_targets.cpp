#include "local/metrics/scrape_targets.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "kube/api.h"

namespace serin::local {

using base::Json;
using Objects = std::vector<std::shared_ptr<const Json>>;

namespace {

/// The label of the pod's root owner: its kind and name. nullopt if it is neither Deployment nor DaemonSet.
std::optional<std::pair<std::string, std::string>> workload_of(const Json& pod, const Objects& replica_sets) {
  const Json& owner = kube::controller_owner(pod);
  if (owner["kind"].str() == "DaemonSet") return std::pair("daemonset", owner["name"].str());
  if (owner["kind"].str() != "ReplicaSet") return std::nullopt;
  const kube::ObjectRef ref{kube::namespace_of(pod), owner["name"].str()};
  const auto found =
      std::ranges::find_if(replica_sets, [&ref](const auto& each) { return kube::ref_of(*each) == ref; });
  if (found == replica_sets.end()) return std::nullopt;
  const Json& root = kube::controller_owner(**found);
  if (root["kind"].str() != "Deployment") return std::nullopt;
  return std::pair("deployment", root["name"].str());
}

}  // namespace

std::string label_name(std::string_view kubernetes_label) {
  std::string name(kubernetes_label);
  if (!name.empty() && std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "_");
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

std::vector<ScrapeTarget> scrape_targets(const Objects& pods, const Objects& replica_sets,
                                         const std::string& metrics_address) {
  std::vector<ScrapeTarget> targets;
  for (const auto& pod : pods) {
    const std::string& phase = pod->get("status", "phase").str();
    const std::string& ip = pod->get("status", "podIP").str();
    if ((phase != "Running" && phase != "Pending") || ip.empty()) continue;
    const kube::ObjectRef ref = kube::ref_of(*pod);
    ScrapeTarget target = {{"__address__", metrics_address},
                           {"__metrics_path__", "/pods/" + ref.ns + "/" + ref.name + "/metrics"},
                           {"job", "linkerd-proxy"},
                           {"instance", ip + ":4191"},
                           {"namespace", ref.ns},
                           {"pod", ref.name},
                           {"control_plane_ns", "linkerd"},
                           {"workload_ns", ref.ns}};
    if (auto workload = workload_of(*pod, replica_sets)) target.insert(std::move(*workload));
    // A pod's own label called "namespace" wins, as it does with linkerd-viz; where to scrape it cannot say.
    for (const auto& [key, value] : pod->get("metadata", "labels").members()) {
      if (!key.starts_with("__")) target[label_name(key)] = value.str();
    }
    targets.push_back(std::move(target));
  }
  std::ranges::sort(targets, {}, [](const ScrapeTarget& each) { return each.at("__metrics_path__"); });
  return targets;
}

std::string target_file_text(const std::vector<ScrapeTarget>& targets) {
  Json groups = Json::array();
  for (const ScrapeTarget& target : targets) {
    Json labels = Json::object();
    for (const auto& [name, value] : target) {
      if (name != "__address__") labels.set(name) = value;
    }
    groups.push_back(
        Json::object({{"targets", Json::array({target.at("__address__")})}, {"labels", std::move(labels)}}));
  }
  return groups.dump_pretty();
}

}  // namespace serin::local
