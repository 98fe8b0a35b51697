#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/client.h"

namespace serin::kube {

/// How requests to an API server prove who sends them. At most one of the three ways is filled in: a token,
/// a file that holds one (read again and again, since it is rotated), or a user name with password. A client
/// certificate is not here but in TlsOptions.
struct Credentials {
  std::string token;
  std::filesystem::path token_file;
  std::string username, password;
};

/// An API server and how to talk to it.
struct Connection {
  http::Url server;  ///< its target is the prefix of every path ("/" for most servers)
  http::TlsOptions tls;
  Credentials credentials;
  std::string proxy_url;  ///< of the kubeconfig's cluster; empty: the environment's proxies apply
  std::string ns;         ///< the context's namespace; empty: none
};

/// Reads a kubeconfig file, its current-context unless `context` names another. `server` overrides the
/// cluster's (flag -master); empty: it does not. Certificate and token files are relative to the file's own
/// folder. Errors (invalid) name the file, the entry and the field, and what to do.
base::Result<Connection> read_kubeconfig(const std::filesystem::path& file, std::string_view context = {},
                                         std::string_view server = {});

/// What a pod knows about its cluster.
struct InCluster {
  std::string host, port;  ///< KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT
  std::filesystem::path service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// The connection of a process in a pod: the service account's token (rotated), CA and namespace.
base::Result<Connection> in_cluster_connection(const InCluster& pod);

}  // namespace serin::kube
