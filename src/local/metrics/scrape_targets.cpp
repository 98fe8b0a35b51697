#include "local/metrics/scrape_targets.h"

#include <algorithm>
#include <cctype>

#include "kube/api.h"

namespace serin::local {

using base::Json;
using Objects = std::vector<std::shared_ptr<const Json>>;

namespace {

std::string deployment_of(const Json& pod, const Objects& replica_sets) {
  const Json& owner = kube::controller_owner(pod);
  if (owner["kind"].str() != "ReplicaSet") return {};
  const kube::ObjectRef ref{kube::namespace_of(pod), owner["name"].str()};
  const auto found =
      std::ranges::find_if(replica_sets, [&ref](const auto& each) { return kube::ref_of(*each) == ref; });
  if (found == replica_sets.end()) return {};
  const Json& root = kube::controller_owner(**found);
  return root["kind"].str() == "Deployment" ? root["name"].str() : std::string();
}

}  // namespace

std::string label_name(std::string_view kubernetes_label) {
  std::string name(kubernetes_label);
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
    if (std::string deployment = deployment_of(*pod, replica_sets); !deployment.empty()) {
      target["deployment"] = std::move(deployment);
    }
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
