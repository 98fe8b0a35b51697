#include "local/ingress/ingress_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/ingress/services.h"

namespace serin::local {

using base::Json;

namespace {

constexpr std::string_view class_annotation = "kubernetes.io/ingress.class";

std::vector<const Json*> oldest_first(const IngressObjects::List& list) {
  std::vector<const Json*> sorted;
  for (const auto& each : list) sorted.push_back(each.get());
  std::ranges::sort(sorted, {}, [](const Json* each) {
    return std::pair(each->get("metadata", "creationTimestamp").str(), kube::ref_of(*each));
  });
  return sorted;
}

PathType path_type(const Json& path) {
  const std::string& text = path["pathType"].str();
  if (text == "Exact") return PathType::exact;
  return text == "Prefix" ? PathType::prefix : PathType::implementation_specific;
}

bool is_host(const std::string& text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*';
  });
}

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// What l5d-dst-override says in this location, with a port ("podinfo.test.svc.cluster.local:9898"). Empty:
/// it is no authority, which counts as not said.
std::string override_target(std::string authority, const Location& location) {
  replace_all(authority, "$service_name", location.service);
  replace_all(authority, "$service_port", location.service_port);
  replace_all(authority, "$namespace", location.ingress.ns);
  if (authority.find(':') == std::string::npos) authority += ":80";
  std::string plain = authority;
  std::ranges::replace(plain, ':', '.');
  return is_host(plain) ? authority : std::string();
}

/// Puts the plan together, Ingress by Ingress.
class Planner {
 public:
  explicit Planner(const IngressObjects& objects) : objects_(objects), services_(objects) {
    for (const auto& each : objects.classes) {
      if (each->get("spec", "controller").str() != nginx_controller) continue;
      classes_.insert(kube::name_of(*each));
      meshed_ = meshed_ || each->get("metadata", "annotations", "linkerd.io/inject").str() == "ingress";
    }
  }

  IngressPlan make() {
    std::vector<const Json*> mains, canaries;
    for (const Json* ingress : oldest_first(objects_.ingresses)) {
      if (kube::is_being_deleted(*ingress) || !is_ours(*ingress)) continue;
      plan_.accepted.push_back(kube::ref_of(*ingress));
      (is_canary(*ingress) ? canaries : mains).push_back(ingress);
    }
    for (const Json* ingress : mains) add_main(*ingress);
    for (const Json* ingress : mains) add_default(*ingress);
    for (const Json* ingress : canaries) add_canary(*ingress);
    for (auto& [host, server] : servers_) plan_.servers.push_back(std::move(server));
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool is_ours(const Json& ingress) const {
    const Json& annotation = ingress.get("metadata", "annotations", class_annotation);
    if (!annotation.is_null()) return annotation.str() == "nginx";
    const std::string& name = ingress.get("spec", "ingressClassName").str();
    return name.empty() || classes_.contains(name);
  }

  void tell(const Json& ingress, std::string text) {
    plan_.notes.push_back({kube::ref_of(ingress), std::move(text)});
  }

  VirtualServer& server(const std::string& host) {
    VirtualServer& found = servers_[host];
    found.host = host;
    return found;
  }

  /// The upstream of a backend, as a key; the port's number goes into `number`.
  std::string upstream(const Json& ingress, const Json& backend, std::string* number = nullptr) {
    std::optional<ServiceIndex::Port> port = services_.find(kube::namespace_of(ingress), backend);
    const std::string& name = backend.get("service", "name").str();
    if (!port) {
      const bool known = services_.has(kube::namespace_of(ingress), name);
      tell(ingress, known ? fmt::format("Service {} has no such port: requests to it get 503", name)
                          : fmt::format("there is no Service {}: requests to it get 503", name));
      port = ServiceIndex::Port{.key = kube::namespace_of(ingress) + "." + name};
    }
    if (number) *number = port->number;
    plan_.upstreams.try_emplace(port->key, port->upstream);
    return port->key;
  }

  Location make_location(const Json& ingress, const Json& backend) {
    Location location{.ingress = kube::ref_of(ingress), .service = backend.get("service", "name").str()};
    location.upstream = upstream(ingress, backend, &location.service_port);
    location.snippet = nginx_annotation(ingress, "configuration-snippet");
    if (meshed_) {
      Override asked = split_override(location.snippet);
      location.snippet = std::move(asked.snippet);
      if (!asked.authority.empty())
        ask_mesh(ingress, override_target(std::move(asked.authority), location), location);
    }
    read_setting(ingress, "proxy-read-timeout", nginx_time, location.read_timeout);
    read_setting(ingress, "proxy-body-size", nginx_size, location.body_size);
    return location;
  }

  /// The Service that the mesh is asked for. NGINX would refuse its whole configuration for a name that does
  /// not resolve, so it is looked up here.
  void ask_mesh(const Json& ingress, const std::string& target, Location& location) {
    if (target.empty()) return;
    const std::size_t colon = target.rfind(':'), dot = target.find('.');
    const std::string host = target.substr(0, colon);
    Json backend;
    backend.set("service", "name") = host.substr(0, dot);
    backend.set("service", "port", "number") = std::atoi(target.c_str() + colon + 1);
    const std::string ns = dot == std::string::npos ? location.ingress.ns
                                                    : host.substr(dot + 1, host.find('.', dot + 1) - dot - 1);
    const std::optional<ServiceIndex::Port> port = services_.find(ns, backend);
    if (!port) {
      tell(ingress,
           fmt::format("its l5d-dst-override names {}, and there is no such Service and port: requests "
                       "to it get 503",
                       target));
      location.closed = true;
      return;
    }
    location.override = port->key;
    plan_.upstreams.try_emplace(port->key, port->upstream);
  }

  void read_setting(const Json& ingress, std::string_view name,
                    std::optional<std::string> (*read)(std::string_view), std::string& into) {
    const std::string& text = nginx_annotation(ingress, name);
    if (text.empty()) return;
    if (std::optional<std::string> value = read(text)) {
      into = std::move(*value);
    } else {
      tell(ingress, fmt::format("annotation {}{}: \"{}\" is not understood, {} applies", nginx_prefix, name,
                                text, into));
    }
  }

  static Location* find(VirtualServer& server, const std::string& path, PathType type) {
    const auto found = std::ranges::find_if(
        server.locations, [&](const Location& each) { return each.path == path && each.type == type; });
    return found == server.locations.end() ? nullptr : &*found;
  }

  void add_main(const Json& ingress) {
    if (has_canary_rules(ingress)) {
      tell(ingress, fmt::format("has rules for a canary, but not {}canary: \"true\"", nginx_prefix));
    }
    for (const Json& rule : ingress.get("spec", "rules").items()) {
      const std::string& host = rule["host"].str();
      if (!is_host(host)) continue;
      VirtualServer& here = server(host);
      for (const Json& path : rule.get("http", "paths").items()) {
        const std::string text = path["path"].str_or("/");
        if (!text.starts_with('/')) continue;
        if (const Location* other = find(here, text, path_type(path))) {
          tell(ingress, fmt::format("host \"{}\" and path \"{}\" is already defined in ingress {}/{}", host,
                                    text, other->ingress.ns, other->ingress.name));
          continue;
        }
        Location location = make_location(ingress, path["backend"]);
        location.path = text;
        location.type = path_type(path);
        here.locations.push_back(std::move(location));
      }
    }
  }

  /// What no rule of its hosts matches; without rules: what no other Ingress wants.
  void add_default(const Json& ingress) {
    const Json& backend = ingress.get("spec", "defaultBackend");
    if (backend.is_null()) return;
    std::set<std::string> hosts;
    for (const Json& rule : ingress.get("spec", "rules").items()) hosts.insert(rule["host"].str());
    if (hosts.empty()) hosts.insert("");
    for (const std::string& host : hosts) {
      const bool has_root = std::ranges::any_of(server(host).locations, [](const Location& each) {
        return each.path == "/" && each.type != PathType::exact;
      });
      if (!has_root) server(host).locations.push_back(make_location(ingress, backend));
    }
  }

  void add_canary(const Json& ingress) {
    for (const Json& rule : ingress.get("spec", "rules").items()) {
      for (const Json& path : rule.get("http", "paths").items()) {
        attach(ingress, rule["host"].str(), path);
      }
    }
  }

  void attach(const Json& ingress, const std::string& host, const Json& path) {
    const std::string text = path["path"].str_or("/");
    const auto here = servers_.find(host);
    Location* main = here == servers_.end() ? nullptr : find(here->second, text, path_type(path));
    if (!main) {
      tell(ingress, fmt::format("no other Ingress has host \"{}\" and path \"{}\" ({}): this canary gets "
                                "no requests for it",
                                host, text, path["pathType"].str()));
      return;
    }
    const std::string key = upstream(ingress, path["backend"]);
    if (key == main->upstream) return;  // a foreign path, copied: it is the main one's own
    if (main->alternative) {
      tell(ingress, fmt::format("host \"{}\" and path \"{}\" has a canary already: ingress {}/{}", host, text,
                                main->alternative->ingress.ns, main->alternative->ingress.name));
      return;
    }
    main->alternative = Alternative{key, canary_rules(ingress), kube::ref_of(ingress)};
  }

  const IngressObjects& objects_;
  ServiceIndex services_;
  std::set<std::string> classes_;
  bool meshed_ = false;
  std::map<std::string, VirtualServer> servers_;
  IngressPlan plan_;
};

void each_location(IngressPlan& plan, const auto& visit) {
  for (VirtualServer& server : plan.servers) {
    for (Location& location : server.locations) visit(location);
  }
}

}  // namespace

IngressPlan plan_ingress(const IngressObjects& objects) {
  IngressPlan plan = Planner(objects).make();
  std::ranges::sort(plan.notes);
  const auto repeated = std::ranges::unique(plan.notes);
  plan.notes.erase(repeated.begin(), repeated.end());
  return plan;
}

std::vector<kube::ObjectRef> unread_texts(const IngressPlan& plan) {
  std::set<kube::ObjectRef> found;
  for (const VirtualServer& server : plan.servers) {
    for (const Location& location : server.locations) {
      if (!location.snippet.empty()) found.insert(location.ingress);
      if (location.alternative && !location.alternative->rules.header_pattern.empty()) {
        found.insert(location.alternative->ingress);
      }
    }
  }
  return {found.begin(), found.end()};
}

void leave_out(IngressPlan& plan, const kube::ObjectRef& ingress, const std::optional<std::string>& snippet) {
  each_location(plan, [&](Location& location) {
    if (location.ingress == ingress && !location.snippet.empty()) {
      location.closed = !snippet;
      location.snippet = snippet.value_or(std::string());
    }
    if (location.alternative && location.alternative->ingress == ingress) {
      CanaryRules& rules = location.alternative->rules;
      rules.pattern_broken = !rules.header_pattern.empty();
    }
  });
}

}  // namespace serin::local
