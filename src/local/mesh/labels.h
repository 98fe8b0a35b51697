#pragma once

#include <string>
#include <string_view>

#include "local/mesh/mesh_config.h"

namespace serin::local::mesh {

/// Labels as they are printed between braces, in the order of Linkerd's proxy (spec 11 §2.1, §2.2). The TLS
/// labels say what is true here, plain text, in the words the real proxy has for it.

/// Requests that the pod answers at ip:port.
std::string inbound_labels(std::string_view ip, std::uint16_t port);
/// Requests to a pod (null: an address without one) as a leaf of a Service; `authority` is the leaf Service's
/// name with port, empty when a pod's address was called.
std::string outbound_labels(std::string_view authority, std::string_view service, std::string_view ip,
                            std::uint16_t port, const MeshPod* pod);

/// Connections: from the client's side into the pod, from the proxy to the application, from the calling
/// application to the address it dialled, from the proxy to the endpoint.
std::string inbound_source_labels(std::string_view ip, std::uint16_t port);
std::string inbound_application_labels();
std::string outbound_source_labels(std::string_view ip, std::uint16_t port);
std::string outbound_endpoint_labels(std::string_view authority, std::string_view service,
                                     std::string_view ip, std::uint16_t port, const MeshPod* pod);

}  // namespace serin::local::mesh
