#include <algorithm>
#include <set>

#include "local/machinery/names.h"
#include "local/machinery/validation.h"

namespace serin::local {

namespace {

void validate_service_port(const Json& port, const std::string& path, bool named,
                           std::set<std::string>& names, Findings& findings) {
  const Json& name = port["name"];
  if (name.str().empty()) {
    if (named) findings.add(FieldError::required(path + ".name"));
  } else {
    findings.invalid(path + ".name", name, check_dns1123_label(name.str()));
    if (!names.insert(name.str()).second) findings.add(FieldError::duplicate(path + ".name", name));
  }
  findings.invalid(path + ".port", port["port"].is_null() ? Json(0) : port["port"],
                   check_port_number(port["port"].int_or(0)));
  findings.one_of(port["protocol"], {"SCTP", "TCP", "UDP"}, path + ".protocol");
  const Json& target = port["targetPort"];
  if (target.is_string()) {
    findings.invalid(path + ".targetPort", target, check_port_name(target.str()));
  } else {
    findings.invalid(path + ".targetPort", target.is_null() ? Json(0) : target,
                     check_port_number(target.int_or(0)));
  }
}

void validate_metric_target(const Json& target, const std::string& path, Findings& findings) {
  findings.require(target["type"], path + ".type");
  findings.one_of(target["type"], {"AverageValue", "Utilization", "Value"}, path + ".type");
  if (target["averageUtilization"].is_number() && target["averageUtilization"].int_or(1) < 1) {
    findings.add(FieldError::invalid(path + ".averageUtilization", target["averageUtilization"],
                                     "must be greater than 0"));
  }
}

void validate_metric(const Json& metric, const std::string& path, Findings& findings) {
  const std::string& type = metric["type"].str();
  static const std::vector<std::string> types{"ContainerResource", "External", "Object", "Pods", "Resource"};
  if (type.empty()) {
    findings.add(FieldError::required(path + ".type", "must specify a metric source type"));
    return;
  }
  if (std::ranges::find(types, type) == types.end()) {
    findings.add(FieldError::not_supported(path + ".type", metric["type"], types));
    return;
  }
  std::string source = type;
  source.front() = static_cast<char>(source.front() - 'A' + 'a');
  if (metric[source].is_null()) {
    findings.add(FieldError::required(fmt::format("{}.{}", path, source),
                                      "must populate information for the given metric source"));
    return;
  }
  if (type != "Resource" && type != "ContainerResource") return;
  const std::string here = fmt::format("{}.{}", path, source);
  findings.require(metric[source]["name"], here + ".name");
  const Json& target = metric[source]["target"];
  validate_metric_target(target, here + ".target", findings);
  if (target["averageUtilization"].is_null() && target["averageValue"].is_null()) {
    findings.add(FieldError::required(here + ".target.averageUtilization",
                                      "must set either a target raw value or a target utilization"));
  } else if (!target["averageUtilization"].is_null() && !target["averageValue"].is_null()) {
    findings.add(FieldError::forbidden(here + ".target.averageValue",
                                       "may not set both a target raw value and a target utilization"));
  }
}

void validate_backend(const Json& backend, const std::string& path, Findings& findings) {
  const Json& service = backend["service"];
  if (service.is_null()) {
    if (backend["resource"].is_null()) {
      findings.add(FieldError::required(path, "port name or number is required"));
    }
    return;
  }
  const Json& name = service["name"];
  if (name.str().empty()) {
    findings.add(FieldError::required(path + ".service.name"));
  } else {
    findings.invalid(path + ".service.name", name, check_dns1123_label(name.str()));
  }
  const Json& port = service["port"];
  const bool named = !port["name"].str().empty();
  const bool numbered = port["number"].int_or(0) != 0;
  if (named && numbered) {
    findings.add(FieldError::invalid(path, backend, "cannot set both port name & port number"));
  } else if (named) {
    findings.invalid(path + ".service.port.name", port["name"], check_port_name(port["name"].str()));
  } else if (numbered) {
    findings.invalid(path + ".service.port.number", port["number"],
                     check_port_number(port["number"].int_or(0)));
  } else {
    findings.add(FieldError::required(path, "port name or number is required"));
  }
}

void validate_http_path(const Json& rule, const std::string& path, Findings& findings) {
  const Json& type = rule["pathType"];
  if (type.is_null()) {
    findings.add(FieldError::required(path + ".pathType", "pathType must be specified"));
    return;
  }
  findings.one_of(type, {"Exact", "ImplementationSpecific", "Prefix"}, path + ".pathType");
  const bool absolute = rule["path"].str().starts_with('/');
  const bool may_be_empty = type.str() == "ImplementationSpecific" && rule["path"].str().empty();
  if (!absolute && !may_be_empty) {
    findings.add(FieldError::invalid(path + ".path", rule["path"].str(), "must be an absolute path"));
  }
  validate_backend(rule["backend"], path + ".backend", findings);
}

void validate_rule(const Json& rule, const std::string& path, Findings& findings) {
  const std::string& host = rule["host"].str();
  if (!host.empty()) {
    const std::string_view name =
        host.starts_with("*.") ? std::string_view(host).substr(2) : std::string_view(host);
    findings.invalid(path + ".host", rule["host"], check_dns1123_subdomain(name));
  }
  const Json& http = rule["http"];
  if (http.is_null()) return;
  if (http["paths"].empty()) findings.add(FieldError::required(path + ".http.paths"));
  for (std::size_t i = 0; i < http["paths"].size(); ++i) {
    validate_http_path(http["paths"].at(i), fmt::format("{}.http.paths[{}]", path, i), findings);
  }
}

void validate_data(const Json& object, std::string_view key, std::size_t& size, Findings& findings) {
  for (const Json::Member& member : object[key].members()) {
    findings.invalid(fmt::format("{}[{}]", key, member.key), member.key, check_config_key(member.key));
    size += member.value.str().size();
  }
}

constexpr std::size_t data_size_max = 1024 * 1024;

}  // namespace

void validate_service(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  const Json& ports = spec["ports"];
  const std::string& type = spec["type"].str();
  const bool headless = spec["clusterIP"].str() == "None";
  if (ports.empty() && !headless && type != "ExternalName") findings.add(FieldError::required("spec.ports"));
  std::set<std::string> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    validate_service_port(ports.at(i), fmt::format("spec.ports[{}]", i), ports.size() > 1, names, findings);
  }
  findings.add(check_labels(spec["selector"], "spec.selector"));
  findings.one_of(spec["sessionAffinity"], {"ClientIP", "None"}, "spec.sessionAffinity");
  findings.one_of(spec["type"], {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, "spec.type");
  if (type == "ExternalName" && spec["externalName"].str().empty())
    findings.add(FieldError::required("spec.externalName"));
}

void validate_hpa(const Json& object, std::string_view version, Findings& findings) {
  const Json& spec = object["spec"];
  findings.at_least(spec["minReplicas"], 1, "spec.minReplicas");
  if (spec["maxReplicas"].int_or(0) < 1) {
    findings.add(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
  } else if (spec["maxReplicas"].int_or(0) < spec["minReplicas"].int_or(1)) {
    findings.add(FieldError::invalid("spec.maxReplicas", spec["maxReplicas"],
                                     "must be greater than or equal to `minReplicas`"));
  }
  const Json& target = spec["scaleTargetRef"];
  findings.require(target["kind"], "spec.scaleTargetRef.kind");
  findings.require(target["name"], "spec.scaleTargetRef.name");
  if (target["apiVersion"].str().empty()) {
    findings.add(
        FieldError::invalid("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group"));
  }
  if (version != "v2") return;
  for (std::size_t i = 0; i < spec["metrics"].size(); ++i) {
    validate_metric(spec["metrics"].at(i), fmt::format("spec.metrics[{}]", i), findings);
  }
  const bool wakes_up = std::ranges::any_of(spec["metrics"].items(), [](const Json& metric) {
    return metric["type"].str() == "Object" || metric["type"].str() == "External";
  });
  if (spec["minReplicas"].as_int() == 0 && !wakes_up) {
    findings.add(FieldError::forbidden(
        "spec.metrics",
        "must specify at least one Object or External metric to support scaling to zero replicas"));
  }
}

void validate_ingress(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  const Json& rules = spec["rules"];
  if (rules.empty() && spec["defaultBackend"].is_null()) {
    findings.add(FieldError::invalid("spec", Json(), "either `defaultBackend` or `rules` must be specified"));
  }
  if (!spec["defaultBackend"].is_null())
    validate_backend(spec["defaultBackend"], "spec.defaultBackend", findings);
  for (std::size_t i = 0; i < rules.size(); ++i)
    validate_rule(rules.at(i), fmt::format("spec.rules[{}]", i), findings);
}

void validate_config_map(const Json& object, Findings& findings) {
  std::size_t size = 0;
  validate_data(object, "data", size, findings);
  for (const Json::Member& member : object["binaryData"].members()) {
    if (!object["data"].contains(member.key)) continue;
    findings.add(FieldError::invalid(fmt::format("data[{}]", member.key), member.key,
                                     "duplicate of key present in binaryData"));
  }
  validate_data(object, "binaryData", size, findings);
  if (size > data_size_max) findings.add(FieldError::too_long("", data_size_max));
}

void validate_secret(const Json& object, Findings& findings) {
  std::size_t size = 0;
  validate_data(object, "data", size, findings);
  if (size / 4 * 3 > data_size_max) findings.add(FieldError::too_long("data", data_size_max));
  const auto needs = [&](std::string_view key) {
    if (!object["data"].contains(key)) findings.add(FieldError::required(fmt::format("data[{}]", key)));
  };
  const std::string& type = object["type"].str();
  if (type == "kubernetes.io/tls") {
    needs("tls.crt");
    needs("tls.key");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    needs(".dockerconfigjson");
  }
}

void validate_crd(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  const std::string& group = spec["group"].str();
  const Json& names = spec["names"];
  if (group.empty()) {
    findings.add(FieldError::required("spec.group"));
  } else {
    findings.invalid("spec.group", spec["group"], check_dns1123_subdomain(group));
  }
  const std::string wanted = fmt::format("{}.{}", names["plural"].str(), group);
  if (object.get("metadata", "name").str() != wanted) {
    findings.add(FieldError::invalid("metadata.name", object.get("metadata", "name"),
                                     "must be spec.names.plural+\".\"+spec.group"));
  }
  findings.one_of(spec["scope"], {"Cluster", "Namespaced"}, "spec.scope");
  if (spec["scope"].is_null()) findings.add(FieldError::required("spec.scope"));
  for (const std::string_view key : {"plural", "singular", "kind", "listKind"}) {
    findings.require(names[key], fmt::format("spec.names.{}", key));
  }
  std::size_t stored = 0;
  for (std::size_t i = 0; i < spec["versions"].size(); ++i) {
    const Json& version = spec["versions"].at(i);
    const std::string path = fmt::format("spec.versions[{}]", i);
    findings.invalid(path + ".name", version["name"], check_dns1035_label(version["name"].str()));
    if (version["storage"].bool_or(false)) ++stored;
    if (version.get("schema", "openAPIV3Schema").is_null()) {
      findings.add(FieldError::required(path + ".schema.openAPIV3Schema", "schemas are required"));
    }
  }
  if (stored != 1) {
    findings.add(FieldError::invalid("spec.versions", spec["versions"],
                                     "must have exactly one version marked as storage version"));
  }
}

void validate_lease(const Json& object, Findings& findings) {
  const Json& spec = object["spec"];
  if (spec["leaseDurationSeconds"].is_number() && spec["leaseDurationSeconds"].int_or(1) <= 0) {
    findings.add(FieldError::invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"],
                                     "must be greater than 0"));
  }
  findings.at_least(spec["leaseTransitions"], 0, "spec.leaseTransitions");
}

}  // namespace serin::local
