#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kube/api.h"
#include "local/ingress/annotations.h"

namespace serin::local {

/// The controller name of IngressClasses that are ours.
inline constexpr std::string_view nginx_controller = "k8s.io/ingress-nginx";

/// What the cluster says, as kube::Cache::list() gives it.
struct IngressObjects {
  using List = std::vector<std::shared_ptr<const base::Json>>;
  List ingresses, classes, services, endpoint_slices;
};

enum class PathType { exact, prefix, implementation_specific };

/// A port of a Service as NGINX sees it.
struct Upstream {
  std::string label;                 ///< "test-podinfo-9898", as ingress-nginx names it in its metrics
  std::vector<std::string> targets;  ///< the Service's address, "10.96.0.5:9898"; empty: nobody is ready, 503

  bool operator==(const Upstream&) const = default;
};

/// Where the canary's share of a location goes, and which requests that are.
struct Alternative {
  std::string upstream;  ///< key in IngressPlan::upstreams
  CanaryRules rules;
  kube::ObjectRef ingress;
};

struct Location {
  std::string path = "/";
  PathType type = PathType::prefix;
  kube::ObjectRef ingress;
  std::string service, service_port;
  std::string upstream;  ///< key in IngressPlan::upstreams
  std::optional<Alternative> alternative;
  std::string snippet;   ///< directives from the user
  std::string override;  ///< key of what the mesh is asked for instead; empty: NGINX's choice holds
  std::string read_timeout = "60s", body_size = "1m";
  bool closed = false;  ///< its snippet cannot be used, or names no Service: answers 503
};

struct VirtualServer {
  std::string host;  ///< empty: for all hosts that have none of their own
  std::vector<Location> locations;
};

/// Something a user should be told about an Ingress.
struct Note {
  kube::ObjectRef ingress;
  std::string text;

  auto operator<=>(const Note&) const = default;
};

/// All that NGINX is to do.
struct IngressPlan {
  std::map<std::string, Upstream> upstreams;  ///< by "<namespace>.<service>.<port>", the name NGINX knows
  std::vector<VirtualServer> servers;         ///< by host
  std::vector<Note> notes;
  std::vector<kube::ObjectRef> accepted;  ///< Ingresses of our class
};

/// Merges main and canary Ingresses as ingress-nginx does (spec 07 §7.1), oldest first: a canary attaches to
/// the location of the same host, path and path type; the first one does.
///
/// What a snippet's l5d-dst-override names is asked for instead of NGINX's choice where our IngressClass has
/// the annotation `linkerd.io/inject: ingress`, as it would be with that annotation on NGINX's pods (spec 07
/// §5). Otherwise the header is an ordinary one and requests go to the Service that NGINX chose.
IngressPlan plan_ingress(const IngressObjects& objects);

/// The Ingresses whose text reaches NGINX unread: snippets and patterns.
std::vector<kube::ObjectRef> unread_texts(const IngressPlan& plan);
/// Leaves that text of this Ingress out: its locations answer with `snippet` in force instead, or with 503 if
/// there is none; its pattern sends nothing to the canary.
void leave_out(IngressPlan& plan, const kube::ObjectRef& ingress, const std::optional<std::string>& snippet);

}  // namespace serin::local
