#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kube/api.h"

namespace serin::local {

/// One address that answers for a port of a Service.
struct MeshEndpoint {
  std::string ip;
  std::uint16_t port = 0;
  kube::ObjectRef pod;  ///< the pod behind it; empty for addresses that somebody wrote by hand
  bool ready = false;

  bool operator==(const MeshEndpoint&) const = default;
};

struct MeshPort {
  std::string name;
  std::uint16_t port = 0;
  bool opaque = false;  ///< bytes are passed on unread, counted as connections only
  std::vector<MeshEndpoint> endpoints;

  bool operator==(const MeshPort&) const = default;
};

/// A backend of a split: a Service of the same namespace and its share. Only the ratio of weights matters.
struct MeshBackend {
  std::string service;
  std::uint64_t weight = 0;  ///< thousandths of the quantity that was written: "10" is 10000

  bool operator==(const MeshBackend&) const = default;
};

/// An HTTPRoute that rules requests to a Service.
struct MeshRoute {
  std::string name;        ///< "podinfo.test", for messages
  std::string client_ns;   ///< rules requests of this namespace's pods only; empty: all
  std::uint16_t port = 0;  ///< rules this port only; 0: all
  base::Json spec;         ///< its hostnames and rules, as in the API

  bool operator==(const MeshRoute&) const = default;
};

struct MeshService {
  std::string ns, name;
  std::string cluster_ip;  ///< empty: headless, reachable through the forward proxy only
  std::vector<MeshPort> ports;
  std::vector<MeshBackend> split;  ///< empty: routes, or its own endpoints, answer
  std::vector<MeshRoute> routes;   ///< while there is no split, and for HTTP only

  bool operator==(const MeshService&) const = default;
};

/// A pod that has an address: who calls and who answers, for the metrics.
struct MeshPod {
  std::string ns, name, ip;
  std::string deployment;  ///< its root owner; empty if no Deployment owns it
  std::string service_account = "default";
  std::map<std::string, std::string> labels;

  bool operator==(const MeshPod&) const = default;
};

/// All that the data plane knows of the cluster. A later snapshot replaces an earlier one as a whole.
struct MeshSnapshot {
  std::uint64_t generation = 0;  ///< named in the acknowledgement
  std::vector<MeshService> services;
  std::vector<MeshPod> pods;
  std::map<std::string, std::string> hosts;  ///< of Ingresses, with the addresses they are published at

  bool operator==(const MeshSnapshot&) const = default;
};

/// One JSON document (no line breaks in its dump()), and back. Reading validates: addresses, port ranges, no
/// two services on one address and port, no two pods on one address. Errors (invalid) name the object and
/// field.
base::Json to_json(const MeshSnapshot& snapshot);
base::Result<MeshSnapshot> snapshot_from_json(const base::Json& json);

}  // namespace serin::local
