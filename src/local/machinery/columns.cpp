#include "local/machinery/columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "local/machinery/quantity.h"
#include "local/machinery/selectors.h"

namespace serin::local {

namespace {

using Cells = Json::Array;
constexpr int wide = 1;
constexpr std::string_view none = "<none>";

std::string or_none(std::string text, std::string_view otherwise = none) {
  return text.empty() ? std::string(otherwise) : text;
}

/// A list cut after `most`, with how many there are more.
std::string first_of(const std::vector<std::string>& list, std::size_t most, std::size_t total) {
  if (list.empty()) return std::string(none);
  const std::size_t shown = std::min(most, list.size());
  const std::string text =
      fmt::format("{}", fmt::join(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(shown), ","));
  return total > shown ? fmt::format("{} + {} more...", text, total - shown) : text;
}

std::string map_text(const Json& map) {
  std::vector<std::string> pairs;
  for (const Json::Member& member : sorted(map).members())
    pairs.push_back(member.key + "=" + member.value.str());
  return or_none(fmt::format("{}", fmt::join(pairs, ",")));
}

Json number(const Json& value) {
  return value.int_or(0);
}

void add_template(Cells& cells, const Json& spec) {
  std::vector<std::string> names;
  std::vector<std::string> images;
  for (const Json& container : spec.get("template", "spec", "containers").items()) {
    names.push_back(container["name"].str());
    images.push_back(container["image"].str());
  }
  const auto selector = LabelSelector::from_object(spec["selector"]);
  cells.emplace_back(fmt::format("{}", fmt::join(names, ",")));
  cells.emplace_back(fmt::format("{}", fmt::join(images, ",")));
  cells.emplace_back(or_none(selector ? selector->text() : std::string()));
}

Cells deployment_cells(const Json& object, const std::string& age) {
  const Json& status = object["status"];
  Cells cells{
      object.get("metadata", "name"),
      fmt::format("{}/{}", status["readyReplicas"].int_or(0), object.get("spec", "replicas").int_or(0)),
      number(status["updatedReplicas"]), number(status["availableReplicas"]), age};
  add_template(cells, object["spec"]);
  return cells;
}

Cells replica_set_cells(const Json& object, const std::string& age) {
  const Json& status = object["status"];
  Cells cells{object.get("metadata", "name"), number(object.get("spec", "replicas")),
              number(status["replicas"]), number(status["readyReplicas"]), age};
  add_template(cells, object["spec"]);
  return cells;
}

Cells daemon_set_cells(const Json& object, const std::string& age) {
  const Json& status = object["status"];
  Cells cells{object.get("metadata", "name"),
              number(status["desiredNumberScheduled"]),
              number(status["currentNumberScheduled"]),
              number(status["numberReady"]),
              number(status["updatedNumberScheduled"]),
              number(status["numberAvailable"]),
              map_text(object.get("spec", "template", "spec", "nodeSelector")),
              age};
  add_template(cells, object["spec"]);
  return cells;
}

Cells pod_cells(const Json& pod, const std::string& age, base::WallTime now) {
  const PodSummary summary = summarise_pod(pod, now);
  const Json& status = pod["status"];
  const Json& gates = pod.get("spec", "readinessGates");
  std::size_t met = 0;
  for (const Json& gate : gates.items()) {
    met += static_cast<std::size_t>(
        std::ranges::count_if(status["conditions"].items(), [&](const Json& condition) {
          return condition["type"] == gate["conditionType"] && condition["status"].str() == "True";
        }));
  }
  std::string ip = status["podIPs"].at(0)["ip"].str();
  if (ip.empty()) ip = status["podIP"].str();
  return {pod.get("metadata", "name"),
          summary.ready,
          summary.status,
          summary.restarts,
          age,
          or_none(ip),
          or_none(pod.get("spec", "nodeName").str()),
          or_none(status["nominatedNodeName"].str()),
          gates.empty() ? std::string(none) : fmt::format("{}/{}", met, gates.size())};
}

std::string balancer_text(const Json& object) {
  std::set<std::string> addresses;
  for (const Json& ingress : object.get("status", "loadBalancer", "ingress").items()) {
    const std::string& ip = ingress["ip"].str();
    addresses.insert(ip.empty() ? ingress["hostname"].str() : ip);
  }
  return fmt::format("{}", fmt::join(addresses, ","));
}

std::string external_address(const Json& service) {
  const Json& spec = service["spec"];
  const std::string& type = spec["type"].str();
  if (type == "ExternalName") return spec["externalName"].str();
  std::vector<std::string> addresses;
  if (const std::string balancer = balancer_text(service); type == "LoadBalancer" && !balancer.empty()) {
    addresses.push_back(balancer);
  }
  for (const Json& address : spec["externalIPs"].items()) addresses.push_back(address.str());
  return or_none(fmt::format("{}", fmt::join(addresses, ",")), type == "LoadBalancer" ? "<pending>" : none);
}

Cells service_cells(const Json& service, const std::string& age) {
  const Json& spec = service["spec"];
  std::vector<std::string> ports;
  for (const Json& port : spec["ports"].items()) {
    const std::int64_t node = port["nodePort"].int_or(0);
    const std::string number_text = node > 0 ? fmt::format("{}:{}", port["port"].int_or(0), node)
                                             : std::to_string(port["port"].int_or(0));
    ports.push_back(fmt::format("{}/{}", number_text, port["protocol"].str()));
  }
  return {service.get("metadata", "name"),
          spec["type"],
          or_none(spec["clusterIP"].str()),
          external_address(service),
          or_none(fmt::format("{}", fmt::join(ports, ","))),
          age,
          map_text(spec["selector"])};
}

std::string metric_text(const Json& metric, const Json& current) {
  std::string source = metric["type"].str();
  if (source.empty()) return "<unknown type>";
  source.front() = static_cast<char>(source.front() - 'A' + 'a');
  const Json& target = metric[source]["target"];
  const Json& now = current[source]["current"];
  const bool of_resource = source == "resource" || source == "containerResource";
  const std::string prefix = of_resource ? metric[source]["name"].str() + ": " : "";
  if (!target["averageValue"].is_null()) {
    const bool average = source == "external" || source == "object";
    return fmt::format("{}{}/{}{}", prefix, now["averageValue"].str_or("<unknown>"),
                       target["averageValue"].str(), average ? " (avg)" : "");
  }
  if (!of_resource) return fmt::format("{}/{}", now["value"].str_or("<unknown>"), target["value"].str());
  const auto percent = [](const Json& value, std::string_view otherwise) {
    return value.is_number() ? fmt::format("{}%", value.int_or(0)) : std::string(otherwise);
  };
  return fmt::format("{}{}/{}", prefix, percent(now["averageUtilization"], "<unknown>"),
                     percent(target["averageUtilization"], "<auto>"));
}

Cells hpa_cells(const Json& hpa, const std::string& age) {
  const Json& spec = hpa["spec"];
  std::vector<std::string> targets;
  for (std::size_t i = 0; i < spec["metrics"].size(); ++i) {
    targets.push_back(metric_text(spec["metrics"].at(i), hpa.get("status", "currentMetrics").at(i)));
  }
  if (const Json& cpu = spec["targetCPUUtilizationPercentage"]; cpu.is_number()) {  // autoscaling/v1
    const Json& now = hpa.get("status", "currentCPUUtilizationPercentage");
    targets.push_back(fmt::format(
        "cpu: {}/{}%", now.is_number() ? fmt::format("{}%", now.int_or(0)) : "<unknown>", cpu.int_or(0)));
  }
  const Json& target = spec["scaleTargetRef"];
  return {hpa.get("metadata", "name"),
          fmt::format("{}/{}", target["kind"].str(), target["name"].str()),
          first_of(targets, 2, targets.size()),
          spec["minReplicas"].is_number() ? std::to_string(spec["minReplicas"].int_or(0)) : "<unset>",
          number(spec["maxReplicas"]),
          number(hpa.get("status", "currentReplicas")),
          age};
}

Cells ingress_cells(const Json& ingress, const std::string& age) {
  const Json& spec = ingress["spec"];
  std::vector<std::string> hosts;
  for (const Json& rule : spec["rules"].items()) {
    if (!rule["host"].str().empty()) hosts.push_back(rule["host"].str());
  }
  return {ingress.get("metadata", "name"),
          or_none(spec["ingressClassName"].str()),
          hosts.empty() ? std::string("*") : first_of(hosts, 3, hosts.size()),
          balancer_text(ingress),
          spec["tls"].empty() ? "80" : "80, 443",
          age};
}

/// Either version's names of the same things.
const Json& either(const Json& object, std::string_view core, std::string_view events) {
  const Json* value = object.find(core);
  return value ? *value : object[events];
}

Cells event_cells(const Json& event, base::WallTime now) {
  const Json& series = event["series"];
  const Json& first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
  const Json& last = either(event, "lastTimestamp", "deprecatedLastTimestamp");
  const std::string first_seen = age_since(first.is_null() ? event["eventTime"] : first, now);
  const std::string last_seen = series.is_object() ? age_since(series["lastObservedTime"], now)
                                : last.is_null()   ? first_seen
                                                   : age_since(last, now);
  std::int64_t count =
      series.is_object() ? series["count"].int_or(0) : either(event, "count", "deprecatedCount").int_or(0);
  if (count == 0) count = 1;
  const Json& about = either(event, "involvedObject", "regarding");
  std::string target = about["kind"].str();
  for (char& c : target) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (!about["name"].str().empty()) target += "/" + about["name"].str();
  const Json& source = either(event, "source", "deprecatedSource");
  std::string component = source["component"].str();
  if (component.empty()) component = either(event, "reportingComponent", "reportingController").str();
  std::string instance = source["host"].str();
  if (instance.empty()) instance = event["reportingInstance"].str();
  std::string message = either(event, "message", "note").str();
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  return {last_seen,
          event["type"].str(),
          event["reason"].str(),
          target,
          about["fieldPath"].str(),
          instance.empty() ? component : component + ", " + instance,
          message,
          first_seen,
          count,
          event.get("metadata", "name")};
}

Cells node_cells(const Json& node, const std::string& age) {
  std::string status = "Unknown";
  for (const Json& condition : node.get("status", "conditions").items()) {
    if (condition["type"].str() == "Ready")
      status = condition["status"].str() == "True" ? "Ready" : "NotReady";
  }
  if (node.get("spec", "unschedulable").bool_or(false)) status += ",SchedulingDisabled";
  std::set<std::string> roles;
  constexpr std::string_view role_prefix = "node-role.kubernetes.io/";
  for (const Json::Member& label : node.get("metadata", "labels").members()) {
    if (label.key.starts_with(role_prefix)) roles.insert(label.key.substr(role_prefix.size()));
  }
  const auto address = [&](std::string_view type) {
    for (const Json& entry : node.get("status", "addresses").items()) {
      if (entry["type"].str() == type) return entry["address"].str();
    }
    return std::string(none);
  };
  const Json& info = node.get("status", "nodeInfo");
  return {node.get("metadata", "name"),
          status,
          or_none(fmt::format("{}", fmt::join(roles, ","))),
          age,
          info["kubeletVersion"].str(),
          address("InternalIP"),
          address("ExternalIP"),
          or_none(info["osImage"].str(), "<unknown>"),
          or_none(info["kernelVersion"].str(), "<unknown>"),
          or_none(info["containerRuntimeVersion"].str(), "<unknown>")};
}

Cells endpoint_slice_cells(const Json& slice, const std::string& age) {
  std::vector<std::string> ports;
  for (const Json& port : slice["ports"].items()) {
    ports.push_back(port["port"].is_null() ? or_none(port["name"].str(), "*")
                                           : std::to_string(port["port"].int_or(0)));
  }
  std::vector<std::string> addresses;
  for (const Json& endpoint : slice["endpoints"].items()) {
    for (const Json& address : endpoint["addresses"].items()) addresses.push_back(address.str());
  }
  return {slice.get("metadata", "name"), slice["addressType"],
          ports.empty() ? std::string("<unset>") : first_of(ports, 3, ports.size()),
          addresses.empty() ? std::string("<unset>") : first_of(addresses, 3, addresses.size()), age};
}

Cells endpoints_cells(const Json& endpoints, const std::string& age) {
  std::vector<std::string> list;
  for (const Json& subset : endpoints["subsets"].items()) {
    for (const Json& address : subset["addresses"].items()) {
      if (subset["ports"].empty()) list.push_back(address["ip"].str());
      for (const Json& port : subset["ports"].items()) {
        list.push_back(fmt::format("{}:{}", address["ip"].str(), port["port"].int_or(0)));
      }
    }
  }
  return {endpoints.get("metadata", "name"), first_of(list, 3, list.size()), age};
}

Cells binding_cells(const Json& binding, const std::string& age) {
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::vector<std::string> accounts;
  for (const Json& subject : binding["subjects"].items()) {
    const std::string& kind = subject["kind"].str();
    if (kind == "User") users.push_back(subject["name"].str());
    if (kind == "Group") groups.push_back(subject["name"].str());
    if (kind == "ServiceAccount")
      accounts.push_back(subject["namespace"].str() + "/" + subject["name"].str());
  }
  const auto join = [](const std::vector<std::string>& list) {
    return fmt::format("{}", fmt::join(list, ", "));
  };
  return {binding.get("metadata", "name"),
          fmt::format("{}/{}", binding.get("roleRef", "kind").str(), binding.get("roleRef", "name").str()),
          age,
          join(users),
          join(groups),
          join(accounts)};
}

Cells budget_cells(const Json& budget, const std::string& age) {
  const auto share = [](const Json& value) {
    return value.is_null() ? std::string("N/A") : value.is_string() ? value.str() : value.dump();
  };
  return {budget.get("metadata", "name"), share(budget.get("spec", "minAvailable")),
          share(budget.get("spec", "maxUnavailable")), number(budget.get("status", "disruptionsAllowed")),
          age};
}

std::vector<Column> with_template(std::vector<Column> columns) {
  columns.insert(columns.end(),
                 {{"Containers", "string", wide}, {"Images", "string", wide}, {"Selector", "string", wide}});
  return columns;
}

}  // namespace

std::vector<Column> builtin_columns(std::string_view kind) {
  const Column name{"Name", "string", 0, "name"};
  const Column age{"Age"};
  if (kind == "Pod") {
    return {name,
            {"Ready"},
            {"Status"},
            {"Restarts"},
            age,
            {"IP", "string", wide},
            {"Node", "string", wide},
            {"Nominated Node", "string", wide},
            {"Readiness Gates", "string", wide}};
  }
  if (kind == "Deployment") return with_template({name, {"Ready"}, {"Up-to-date"}, {"Available"}, age});
  if (kind == "ReplicaSet") {
    return with_template({name, {"Desired", "integer"}, {"Current", "integer"}, {"Ready", "integer"}, age});
  }
  if (kind == "DaemonSet") {
    return with_template({name,
                          {"Desired", "integer"},
                          {"Current", "integer"},
                          {"Ready", "integer"},
                          {"Up-to-date", "integer"},
                          {"Available", "integer"},
                          {"Node Selector"},
                          age});
  }
  if (kind == "Service") {
    return {name, {"Type"}, {"Cluster-IP"}, {"External-IP"}, {"Port(s)"}, age, {"Selector", "string", wide}};
  }
  if (kind == "HorizontalPodAutoscaler") {
    return {name, {"Reference"}, {"Targets"}, {"MinPods"}, {"MaxPods"}, {"Replicas"}, age};
  }
  if (kind == "Ingress") return {name, {"Class"}, {"Hosts"}, {"Address"}, {"Ports"}, age};
  if (kind == "IngressClass") return {name, {"Controller"}, {"Parameters"}, age};
  if (kind == "ConfigMap") return {name, {"Data"}, age};
  if (kind == "Secret") return {name, {"Type"}, {"Data"}, age};
  if (kind == "Namespace") return {name, {"Status"}, age};
  if (kind == "Endpoints") return {name, {"Endpoints"}, age};
  if (kind == "EndpointSlice") return {name, {"AddressType"}, {"Ports"}, {"Endpoints"}, age};
  if (kind == "Lease") return {name, {"Holder"}, age};
  if (kind == "PodDisruptionBudget") {
    return {name, {"Min Available"}, {"Max Unavailable"}, {"Allowed Disruptions", "integer"}, age};
  }
  if (kind == "Node") {
    return {name,
            {"Status"},
            {"Roles"},
            age,
            {"Version"},
            {"Internal-IP", "string", wide},
            {"External-IP", "string", wide},
            {"OS-Image", "string", wide},
            {"Kernel-Version", "string", wide},
            {"Container-Runtime", "string", wide}};
  }
  if (kind == "Event") {
    return {{"Last Seen"},
            {"Type"},
            {"Reason"},
            {"Object"},
            {"Subobject", "string", wide},
            {"Source", "string", wide},
            {"Message"},
            {"First Seen", "string", wide},
            {"Count", "string", wide},
            {"Name", "string", wide, "name"}};
  }
  if (kind == "ClusterRoleBinding" || kind == "RoleBinding") {
    return {name,
            {"Role"},
            age,
            {"Users", "string", wide},
            {"Groups", "string", wide},
            {"ServiceAccounts", "string", wide}};
  }
  if (kind == "CustomResourceDefinition" || kind == "ClusterRole" || kind == "Role")
    return {name, {"Created At", "date"}};
  return {name, age};
}

Json::Array builtin_cells(const Json& object, std::string_view kind, base::WallTime now) {
  const Json& name = object.get("metadata", "name");
  const Json& created = object.get("metadata", "creationTimestamp");
  const std::string age = age_since(created, now);
  const auto amount = [&](std::string_view key) { return static_cast<std::int64_t>(object[key].size()); };
  if (kind == "Pod") return pod_cells(object, age, now);
  if (kind == "Deployment") return deployment_cells(object, age);
  if (kind == "ReplicaSet") return replica_set_cells(object, age);
  if (kind == "DaemonSet") return daemon_set_cells(object, age);
  if (kind == "Service") return service_cells(object, age);
  if (kind == "HorizontalPodAutoscaler") return hpa_cells(object, age);
  if (kind == "Ingress") return ingress_cells(object, age);
  if (kind == "IngressClass") {
    const Json& parameters = object.get("spec", "parameters");
    const std::string& group = parameters["apiGroup"].str();
    const std::string text = fmt::format("{}{}/{}", parameters["kind"].str(),
                                         group.empty() ? "" : "." + group, parameters["name"].str());
    return {name, object.get("spec", "controller"), parameters.is_null() ? std::string(none) : text, age};
  }
  if (kind == "ConfigMap") return {name, amount("data") + amount("binaryData"), age};
  if (kind == "Secret") return {name, object["type"], amount("data"), age};
  if (kind == "Namespace") return {name, object.get("status", "phase"), age};
  if (kind == "Endpoints") return endpoints_cells(object, age);
  if (kind == "EndpointSlice") return endpoint_slice_cells(object, age);
  if (kind == "Lease") return {name, object.get("spec", "holderIdentity").str(), age};
  if (kind == "PodDisruptionBudget") return budget_cells(object, age);
  if (kind == "Node") return node_cells(object, age);
  if (kind == "Event") return event_cells(object, now);
  if (kind == "ClusterRoleBinding" || kind == "RoleBinding") return binding_cells(object, age);
  if (kind == "CustomResourceDefinition" || kind == "ClusterRole" || kind == "Role") return {name, created};
  return {name, age};
}

}  // namespace serin::local
