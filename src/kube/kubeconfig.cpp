#include "kube/kubeconfig.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "base/base64.h"
#include "base/yaml.h"

namespace serin::kube {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

Result<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad()) return fail(Errc::invalid, fmt::format("cannot read {}", file.string()));
  return text.str();
}

/// One named entry of a kubeconfig's lists, able to say where it stands.
class Entry {
 public:
  Entry(const std::filesystem::path& file, std::string label, const Json& value)
      : file_(file), label_(std::move(label)), value_(value) {}

  [[nodiscard]] const std::string& text(std::string_view field) const { return value_[field].str(); }
  [[nodiscard]] bool flag(std::string_view field) const { return value_[field].bool_or(false); }
  [[nodiscard]] bool has(std::string_view field) const { return !value_[field].is_null(); }

  /// A file the entry names, relative to the kubeconfig.
  [[nodiscard]] std::filesystem::path path(std::string_view field) const {
    return file_.parent_path() / text(field);
  }

  [[nodiscard]] std::unexpected<base::Error> wrong(std::string_view field, std::string_view why) const {
    return fail(Errc::invalid, fmt::format("kubeconfig {}: {}: {}: {}", file_.string(), label_, field, why));
  }

  /// PEM given in place (base64, `<field>-data`) or as a file (`<field>`); in place wins, as in kubectl.
  [[nodiscard]] Result<std::string> pem(std::string_view field) const {
    const std::string data_field = fmt::format("{}-data", field);
    if (!text(data_field).empty()) {
      auto decoded = base::base64_decode(text(data_field));
      if (!decoded) return wrong(data_field, decoded.error().message + "; it must be base64 of a PEM file");
      return std::move(*decoded);
    }
    if (text(field).empty()) return std::string{};
    auto read = read_file(path(field));
    if (!read) return wrong(field, read.error().message);
    return std::move(*read);
  }

 private:
  const std::filesystem::path& file_;
  std::string label_;
  const Json& value_;
};

/// The entry of this name in one of the lists `clusters`, `users`, `contexts`.
Result<Entry> find_entry(const std::filesystem::path& file, const Json& config, std::string_view kind,
                         std::string_view name) {
  const std::string list = fmt::format("{}s", kind);
  for (const Json& item : config[list].items()) {
    if (item["name"].str() == name) return Entry(file, fmt::format("{} {}", kind, name), item[kind]);
  }
  return fail(Errc::invalid, fmt::format("kubeconfig {}: no {} named \"{}\" in {}: add it or select another "
                                         "context (kubectl config use-context)",
                                         file.string(), kind, name, list));
}

Result<void> read_cluster(const Entry& cluster, std::string_view server_override, Connection& into) {
  auto ca = cluster.pem("certificate-authority");
  if (!ca) return fail(ca.error());
  into.tls.ca_pem = std::move(*ca);
  into.tls.verify = !cluster.flag("insecure-skip-tls-verify");
  into.tls.server_name = cluster.text("tls-server-name");
  into.proxy_url = cluster.text("proxy-url");

  std::string server(server_override.empty() ? cluster.text("server") : server_override);
  if (server.empty()) return cluster.wrong("server", "missing; give the API server's URL");
  if (!server.contains("://")) {
    const bool secure = !into.tls.ca_pem.empty() || !into.tls.verify;
    server.insert(0, secure ? "https://" : "http://");
  }
  auto url = http::Url::parse(server);
  if (!url) return cluster.wrong("server", url.error().message);
  into.server = std::move(*url);
  return {};
}

Result<void> read_user(const Entry& user, Connection& into) {
  auto certificate = user.pem("client-certificate");
  if (!certificate) return fail(certificate.error());
  auto key = user.pem("client-key");
  if (!key) return fail(key.error());
  if (certificate->empty() != key->empty()) {
    return user.wrong(key->empty() ? "client-key" : "client-certificate",
                      "missing; a client certificate and its key must be given together");
  }
  into.tls.certificate_pem = std::move(*certificate);
  into.tls.key_pem = std::move(*key);

  Credentials& credentials = into.credentials;
  if (!user.text("tokenFile").empty()) {
    credentials.token_file = user.path("tokenFile");
  } else if (!user.text("token").empty()) {
    credentials.token = user.text("token");
  } else if (!user.text("username").empty()) {
    credentials.username = user.text("username");
    credentials.password = user.text("password");
  } else if (into.tls.certificate_pem.empty()) {
    for (const char* plugin : {"exec", "auth-provider"}) {
      if (!user.has(plugin)) continue;
      return user.wrong(plugin,
                        "credential plug-ins are not supported; use a token (kubectl create token "
                        "<service account>), a tokenFile or a client certificate");
    }
  }
  return {};
}

Result<Json> load(const std::filesystem::path& file) {
  auto text = read_file(file);
  if (!text) return fail(text.error().within("kubeconfig"));
  auto documents = base::parse_yaml(*text);
  if (!documents) return fail(documents.error().within(fmt::format("kubeconfig {}", file.string())));
  if (documents->empty() || !documents->front().is_object()) {
    return fail(Errc::invalid, fmt::format("kubeconfig {}: it holds no configuration", file.string()));
  }
  return std::move(documents->front());
}

}  // namespace

Result<Connection> read_kubeconfig(const std::filesystem::path& file, std::string_view context,
                                   std::string_view server) {
  auto config = load(file);
  if (!config) return fail(config.error());
  const std::string selected(context.empty() ? (*config)["current-context"].str() : context);
  if (selected.empty()) {
    return fail(Errc::invalid,
                fmt::format("kubeconfig {}: current-context is not set: select one (kubectl config "
                            "use-context)",
                            file.string()));
  }
  auto chosen = find_entry(file, *config, "context", selected);
  if (!chosen) return fail(chosen.error());
  auto cluster = find_entry(file, *config, "cluster", chosen->text("cluster"));
  if (!cluster) return fail(cluster.error());

  Connection connection;
  connection.ns = chosen->text("namespace");
  if (auto read = read_cluster(*cluster, server, connection); !read) return fail(read.error());
  if (chosen->text("user").empty()) return connection;  // an API without authentication
  auto user = find_entry(file, *config, "user", chosen->text("user"));
  if (!user) return fail(user.error());
  if (auto read = read_user(*user, connection); !read) return fail(read.error());
  return connection;
}

Result<Connection> in_cluster_connection(const InCluster& pod) {
  if (pod.host.empty() || pod.port.empty()) {
    return fail(Errc::invalid,
                "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: give "
                "-kubeconfig or run in a pod");
  }
  const std::string host = pod.host.contains(':') ? "[" + pod.host + "]" : pod.host;
  auto url = http::Url::parse(fmt::format("https://{}:{}", host, pod.port));
  if (!url) return fail(url.error().within("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT"));

  Connection connection;
  connection.server = std::move(*url);
  connection.credentials.token_file = pod.service_account / "token";
  auto ca = read_file(pod.service_account / "ca.crt");
  if (!ca) return fail(ca.error().within("service account: mount its token (automountServiceAccountToken)"));
  connection.tls.ca_pem = std::move(*ca);
  if (auto token = read_file(connection.credentials.token_file); !token) {
    return fail(token.error().within("service account: mount its token (automountServiceAccountToken)"));
  }
  if (auto ns = read_file(pod.service_account / "namespace")) connection.ns = std::move(*ns);
  return connection;
}

}  // namespace serin::kube
