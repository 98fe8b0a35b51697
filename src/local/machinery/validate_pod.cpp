#include <algorithm>
#include <set>

#include "local/machinery/names.h"
#include "local/machinery/quantity.h"
#include "local/machinery/validation.h"

namespace serin::local {

namespace {

const std::vector<std::string> protocols{"SCTP", "TCP", "UDP"};

bool unset(const Json& text) {
  return text.str().empty();
}

void validate_port(const Json& port, const std::string& path, std::set<std::string>& names,
                   Findings& findings) {
  if (!unset(port["name"])) {
    const std::vector<std::string> texts = check_port_name(port["name"].str());
    findings.invalid(path + ".name", port["name"], texts);
    if (texts.empty() && !names.insert(port["name"].str()).second) {
      findings.add(FieldError::duplicate(path + ".name", port["name"]));
    }
  }
  if (port["containerPort"].int_or(0) == 0) {
    findings.add(FieldError::required(path + ".containerPort"));
  } else {
    findings.invalid(path + ".containerPort", port["containerPort"],
                     check_port_number(port["containerPort"].int_or(0)));
  }
  if (port["hostPort"].int_or(0) != 0) {
    findings.invalid(path + ".hostPort", port["hostPort"], check_port_number(port["hostPort"].int_or(0)));
  }
  findings.one_of(port["protocol"], protocols, path + ".protocol");
}

void validate_field_path(const Json& reference, const std::string& path, Findings& findings) {
  static constexpr std::string_view supported[] = {
      "metadata.name",           "metadata.namespace", "metadata.uid",        "spec.nodeName",
      "spec.serviceAccountName", "status.hostIP",      "status.hostIPs",      "status.podIP",
      "status.podIPs",           "metadata.labels",    "metadata.annotations"};
  const std::string& field = reference["fieldPath"].str();
  if (field.empty()) {
    findings.add(FieldError::required(path + ".fieldPath"));
    return;
  }
  if (field.starts_with("metadata.labels['") || field.starts_with("metadata.annotations['")) return;
  if (std::ranges::find(supported, field) != std::end(supported)) return;
  findings.add(
      FieldError::invalid(path + ".fieldPath", field,
                          fmt::format("error converting fieldPath: field label not supported: {}", field)));
}

void validate_key_ref(const Json& reference, const std::string& path, Findings& findings) {
  if (unset(reference["key"])) {
    findings.add(FieldError::required(path + ".key"));
  } else {
    findings.invalid(path + ".key", reference["key"], check_config_key(reference["key"].str()));
  }
}

void validate_env(const Json& variable, const std::string& path, Findings& findings) {
  if (unset(variable["name"])) {
    findings.add(FieldError::required(path + ".name"));
  } else {
    findings.invalid(path + ".name", variable["name"], check_env_var_name(variable["name"].str()));
  }
  const Json& source = variable["valueFrom"];
  if (source.is_null()) return;
  const std::string from = path + ".valueFrom";
  std::size_t sources = 0;
  for (const std::string_view key : {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"}) {
    if (source[key].is_null()) continue;
    ++sources;
    const std::string inner = fmt::format("{}.{}", from, key);
    if (key == "fieldRef") validate_field_path(source[key], inner, findings);
    if (key == "resourceFieldRef" && unset(source[key]["resource"])) {
      findings.add(FieldError::required(inner + ".resource"));
    }
    if (key.ends_with("KeyRef")) validate_key_ref(source[key], inner, findings);
  }
  if (sources == 0) {
    findings.add(FieldError::invalid(from, "",
                                     "must specify one of: `fieldRef`, `resourceFieldRef`, "
                                     "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"));
  } else if (!unset(variable["value"])) {
    findings.add(FieldError::invalid(from, "", "may not be specified when `value` is not empty"));
  } else if (sources > 1) {
    findings.add(FieldError::invalid(from, "", "may not have more than one field specified at a time"));
  }
}

void validate_env_from(const Json& source, const std::string& path, Findings& findings) {
  if (!unset(source["prefix"])) {
    findings.invalid(path + ".prefix", source["prefix"], check_env_var_name(source["prefix"].str()));
  }
  std::size_t sources = 0;
  for (const std::string_view key : {"configMapRef", "secretRef"}) {
    if (source[key].is_null()) continue;
    ++sources;
    findings.require(source[key]["name"], fmt::format("{}.{}.name", path, key));
  }
  if (sources == 0) {
    findings.add(FieldError::invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
  } else if (sources > 1) {
    findings.add(FieldError::invalid(path, "", "may not have more than one field specified at a time"));
  }
}

void validate_mounts(const Json& mounts, const Json& volumes, const std::string& path, Findings& findings) {
  std::set<std::string> points;
  for (std::size_t i = 0; i < mounts.items().size(); ++i) {
    const Json& mount = mounts.at(i);
    const std::string here = fmt::format("{}[{}]", path, i);
    const bool known = std::ranges::any_of(
        volumes.items(), [&](const Json& volume) { return volume["name"] == mount["name"]; });
    if (unset(mount["name"])) {
      findings.add(FieldError::required(here + ".name"));
    } else if (!known) {
      findings.add(FieldError::not_found(here + ".name", mount["name"]));
    }
    if (unset(mount["mountPath"])) findings.add(FieldError::required(here + ".mountPath"));
    if (!points.insert(mount["mountPath"].str()).second) {
      findings.add(FieldError::invalid(here + ".mountPath", mount["mountPath"], "must be unique"));
    }
    if (mount["subPath"].str().starts_with('/')) {
      findings.add(FieldError::invalid(here + ".subPath", mount["subPath"], "must be a relative path"));
    }
  }
}

void validate_resources(const Json& resources, const std::string& path, Findings& findings) {
  const auto amount = [](const Json& value) {
    return Quantity::parse(value.is_string() ? std::string_view(value.str()) : value.number_text());
  };
  for (const std::string_view list : {"limits", "requests"}) {
    for (const Json::Member& member : resources[list].members()) {
      const auto quantity = amount(member.value);
      if (quantity && quantity->milli_value() < 0) {
        findings.add(FieldError::invalid(fmt::format("{}.{}[{}]", path, list, member.key),
                                         quantity->canonical(), "must be greater than or equal to 0"));
      }
    }
  }
  for (const Json::Member& request : resources["requests"].members()) {
    const Json& limit = resources["limits"][request.key];
    if (limit.is_null()) continue;
    const auto asked = amount(request.value);
    const auto most = amount(limit);
    if (!asked || !most || *asked <= *most) continue;
    findings.add(FieldError::invalid(
        path + ".requests", asked->canonical(),
        fmt::format("must be less than or equal to {} limit of {}", request.key, most->canonical())));
  }
}

void validate_port_reference(const Json& port, const std::string& path, Findings& findings) {
  if (port.is_string()) {
    findings.invalid(path, port, check_port_name(port.str()));
  } else {
    findings.invalid(path, port.is_null() ? Json(0) : port, check_port_number(port.int_or(0)));
  }
}

void validate_handler(const Json& handler, const std::string& path, Findings& findings) {
  std::size_t handlers = 0;
  const auto seen = [&](std::string_view key) {
    if (handler[key].is_null()) return false;
    if (++handlers == 1) return true;
    findings.add(
        FieldError::forbidden(fmt::format("{}.{}", path, key), "may not specify more than 1 handler type"));
    return false;
  };
  if (seen("exec") && handler.get("exec", "command").empty()) {
    findings.add(FieldError::required(path + ".exec.command"));
  }
  if (seen("httpGet")) {
    const Json& get = handler["httpGet"];
    if (unset(get["path"])) findings.add(FieldError::required(path + ".httpGet.path"));
    validate_port_reference(get["port"], path + ".httpGet.port", findings);
    findings.one_of(get["scheme"], {"HTTP", "HTTPS"}, path + ".httpGet.scheme");
  }
  if (seen("tcpSocket"))
    validate_port_reference(handler.get("tcpSocket", "port"), path + ".tcpSocket.port", findings);
  if (seen("grpc")) {
    findings.invalid(path + ".grpc.port", handler.get("grpc", "port"),
                     check_port_number(handler.get("grpc", "port").int_or(0)));
  }
  if (seen("sleep")) {
  }
  if (handlers == 0) findings.add(FieldError::required(path, "must specify a handler type"));
}

void validate_probe(const Json& probe, const std::string& path, bool only_once, Findings& findings) {
  validate_handler(probe, path, findings);
  for (const std::string_view key :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}) {
    findings.at_least(probe[key], 0, fmt::format("{}.{}", path, key));
  }
  if (only_once && probe["successThreshold"].int_or(1) != 1) {
    findings.add(FieldError::invalid(path + ".successThreshold", probe["successThreshold"], "must be 1"));
  }
}

void validate_lifecycle(const Json& lifecycle, const std::string& path, Findings& findings) {
  for (const std::string_view hook : {"postStart", "preStop"}) {
    if (!lifecycle[hook].is_null())
      validate_handler(lifecycle[hook], fmt::format("{}.{}", path, hook), findings);
  }
}

void validate_volume(const Json& volume, const std::string& path, std::set<std::string>& names,
                     Findings& findings) {
  // The API server looks at the sources in this order and reports the second one.
  std::vector<std::string_view> order{"emptyDir", "hostPath", "secret", "configMap"};
  for (const Json::Member& member : volume.members()) {
    if (member.key != "name" && std::ranges::find(order, member.key) == order.end())
      order.push_back(member.key);
  }
  std::size_t sources = 0;
  for (const std::string_view source : order) {
    const Json& content = volume[source];
    if (!content.is_object()) continue;
    const std::string here = fmt::format("{}.{}", path, source);
    if (++sources > 1) {
      findings.add(FieldError::forbidden(here, "may not specify more than 1 volume type"));
    } else if (source == "configMap") {
      findings.require(content["name"], here + ".name");
    } else if (source == "secret") {
      findings.require(content["secretName"], here + ".secretName");
    } else if (source == "hostPath") {
      findings.require(content["path"], here + ".path");
    }
  }
  if (sources == 0) findings.add(FieldError::required(path, "must specify a volume type"));
  const Json& name = volume["name"];
  const std::vector<std::string> texts = check_dns1123_label(name.str());
  if (unset(name)) {
    findings.add(FieldError::required(path + ".name"));
  } else if (!texts.empty()) {
    findings.invalid(path + ".name", name, texts);
  } else if (!names.insert(name.str()).second) {
    findings.add(FieldError::duplicate(path + ".name", name));
  }
}

void validate_containers(const Json& containers, const Json& volumes, const std::string& path,
                         std::set<std::string>& names, bool init, Findings& findings) {
  for (std::size_t i = 0; i < containers.items().size(); ++i) {
    const Json& container = containers.at(i);
    const std::string here = fmt::format("{}[{}]", path, i);
    validate_container(container, volumes, here, findings);
    const bool fresh = names.insert(container["name"].str()).second;
    if (!fresh && !unset(container["name"]))
      findings.add(FieldError::duplicate(here + ".name", container["name"]));
    if (init && container["restartPolicy"].str() != "Always") continue;
    validate_lifecycle(container["lifecycle"], here + ".lifecycle", findings);
    for (const std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
      if (container[probe].is_null()) continue;
      validate_probe(container[probe], fmt::format("{}.{}", here, probe), probe != "readinessProbe",
                     findings);
    }
  }
}

}  // namespace

void validate_container(const Json& container, const Json& volumes, const std::string& path,
                        Findings& findings) {
  if (unset(container["name"])) {
    findings.add(FieldError::required(path + ".name"));
  } else {
    findings.invalid(path + ".name", container["name"], check_dns1123_label(container["name"].str()));
  }
  const std::string& image = container["image"].str();
  if (image.empty()) findings.add(FieldError::required(path + ".image"));
  if (!image.empty() && (image.front() == ' ' || image.back() == ' ')) {
    findings.add(FieldError::invalid(path + ".image", image, "must not have leading or trailing whitespace"));
  }
  findings.one_of(container["terminationMessagePolicy"], {"FallbackToLogsOnError", "File"},
                  path + ".terminationMessagePolicy");
  std::set<std::string> port_names;
  const auto each = [&](std::string_view key, auto check) {
    const Json& list = container[key];
    for (std::size_t i = 0; i < list.items().size(); ++i)
      check(list.at(i), fmt::format("{}.{}[{}]", path, key, i));
  };
  each("ports",
       [&](const Json& port, const std::string& at) { validate_port(port, at, port_names, findings); });
  each("env", [&](const Json& variable, const std::string& at) { validate_env(variable, at, findings); });
  for (const Json& source : container["envFrom"].items()) {
    validate_env_from(source, path + ".envFrom", findings);  // the API server gives no index here
  }
  validate_mounts(container["volumeMounts"], volumes, path + ".volumeMounts", findings);
  findings.one_of(container["imagePullPolicy"], {"Always", "IfNotPresent", "Never"},
                  path + ".imagePullPolicy");
  validate_resources(container["resources"], path + ".resources", findings);
}

void validate_pod_spec(const Json& spec, const std::string& path, Findings& findings) {
  std::set<std::string> volume_names;
  const Json& volumes = spec["volumes"];
  for (std::size_t i = 0; i < volumes.items().size(); ++i) {
    validate_volume(volumes.at(i), fmt::format("{}.volumes[{}]", path, i), volume_names, findings);
  }
  std::set<std::string> names;
  if (spec["containers"].empty()) findings.add(FieldError::required(path + ".containers"));
  validate_containers(spec["containers"], volumes, path + ".containers", names, false, findings);
  validate_containers(spec["initContainers"], volumes, path + ".initContainers", names, true, findings);
  findings.one_of(spec["restartPolicy"], {"Always", "OnFailure", "Never"}, path + ".restartPolicy");
  findings.one_of(spec["dnsPolicy"], {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"},
                  path + ".dnsPolicy");
  findings.at_least(spec["terminationGracePeriodSeconds"], 0, path + ".terminationGracePeriodSeconds");
  findings.add(check_labels(spec["nodeSelector"], path + ".nodeSelector"));
  if (!unset(spec["serviceAccountName"])) {
    findings.invalid(path + ".serviceAccountName", spec["serviceAccountName"],
                     check_dns1123_subdomain(spec["serviceAccountName"].str()));
  }
  if (!unset(spec["nodeName"])) {
    findings.invalid(path + ".nodeName", spec["nodeName"], check_dns1123_subdomain(spec["nodeName"].str()));
  }
  if (spec["activeDeadlineSeconds"].is_number()) {
    findings.at_least(spec["activeDeadlineSeconds"], 1, path + ".activeDeadlineSeconds");
  }
}

}  // namespace serin::local
