#include "tests/kubernetes/control_plane.h"

#include <fmt/format.h>

#include <fstream>

#include "http/tls.h"
#include "kube/kubeconfig.h"
#include "tests/kubernetes/account.h"

namespace serin::kubernetes_test {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

namespace {

Result<void> write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) return fail(Errc::internal, fmt::format("cannot write {}", file.string()));
  return {};
}

Result<void> write_pair(const std::filesystem::path& folder, const std::string& name,
                        const http::CertifiedKey& pair) {
  if (auto done = write(folder / (name + ".crt"), pair.certificate_pem); !done) return done;
  return write(folder / (name + ".key"), pair.key_pem);
}

constexpr std::string_view audit_policy =
    "apiVersion: audit.k8s.io/v1\n"
    "kind: Policy\n"
    "omitStages: [RequestReceived, ResponseStarted]\n"
    "rules: [{level: Metadata}]\n";

constexpr std::string_view controllers =
    "deployment-controller,replicaset-controller,horizontal-pod-autoscaler-controller,"
    "daemonset-controller,garbage-collector-controller,namespace-controller,endpointslice-controller";

}  // namespace

ControlPlane::ControlPlane(Grounds grounds)
    : programs_(std::move(grounds.control_plane)),
      folder_(std::move(grounds.folder)),
      executor_(std::move(grounds.executor)),
      clock_(grounds.clock),
      random_(grounds.random),
      spawner_(local::make_spawner(executor_)) {}

Task<Result<void>> ControlPlane::start() {
  const Result<std::vector<std::uint16_t>> ports = free_ports(4);
  if (!ports) co_return fail(ports.error());
  apiserver_port_ = ports->at(0);
  etcd_port_ = ports->at(1);
  etcd_peer_port_ = ports->at(2);
  controllers_port_ = ports->at(3);
  for (const auto step :
       {&ControlPlane::write_credentials, &ControlPlane::write_configs, &ControlPlane::start_etcd,
        &ControlPlane::start_apiserver, &ControlPlane::connect}) {
    if (Result<void> done = (this->*step)(); !done) co_return done;
  }
  Result<void> ready = co_await wait_ready();
  if (!ready) co_return ready;
  co_return start_controllers();
}

Result<void> ControlPlane::write_credentials() {
  const http::Validity validity{.from = clock_.wall_now() - 1h};
  const auto authority = http::make_authority("serin-test", validity);
  if (!authority) return fail(authority.error());
  if (auto done = write_pair(folder_, "ca", *authority); !done) return done;

  const std::vector<std::pair<std::string, http::CertificateSpec>> wanted = {
      {"server",
       {.common_name = "kube-apiserver",
        .names = {"127.0.0.1", "localhost", "kubernetes.default.svc"},
        .server = true,
        .validity = validity}},
      {"admin",
       {.common_name = "admin", .organizations = {"system:masters"}, .client = true, .validity = validity}},
      // Signs the service accounts' tokens; its certificate is where the API server finds the public key.
      {"accounts", {.common_name = "service-accounts", .validity = validity}}};
  for (const auto& [name, spec] : wanted) {
    const auto pair = http::issue(*authority, spec);
    if (!pair) return fail(pair.error());
    if (auto done = write_pair(folder_, name, *pair); !done) return done;
  }
  return {};
}

Result<void> ControlPlane::write_configs() {
  if (auto done = write(folder_ / "audit.yaml", audit_policy); !done) return done;
  return write(kubeconfig(), fmt::format("apiVersion: v1\n"
                                         "kind: Config\n"
                                         "clusters:\n"
                                         "- name: test\n"
                                         "  cluster: {{server: \"https://127.0.0.1:{}\", "
                                         "certificate-authority: ca.crt}}\n"
                                         "users:\n"
                                         "- name: admin\n"
                                         "  user: {{client-certificate: admin.crt, client-key: admin.key}}\n"
                                         "contexts:\n"
                                         "- name: test\n"
                                         "  context: {{cluster: test, user: admin}}\n"
                                         "current-context: test\n",
                                         apiserver_port_));
}

Result<void> ControlPlane::start_etcd() {
  const std::string clients = fmt::format("http://127.0.0.1:{}", etcd_port_);
  const std::string peers = fmt::format("http://127.0.0.1:{}", etcd_peer_port_);
  return start_child("etcd", {"/usr/bin/env", "etcd", "--data-dir=" + file("etcd"),
                              "--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
                              "--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers,
                              "--initial-cluster=default=" + peers, "--unsafe-no-fsync"});
}

Result<void> ControlPlane::start_apiserver() {
  return start_child(
      "kube-apiserver",
      {(programs_ / "kube-apiserver").string(), fmt::format("--etcd-servers=http://127.0.0.1:{}", etcd_port_),
       fmt::format("--secure-port={}", apiserver_port_), "--bind-address=127.0.0.1",
       "--advertise-address=127.0.0.1", "--cert-dir=" + file("apiserver"),
       "--tls-cert-file=" + file("server.crt"), "--tls-private-key-file=" + file("server.key"),
       "--client-ca-file=" + file("ca.crt"), "--service-account-key-file=" + file("accounts.crt"),
       "--service-account-signing-key-file=" + file("accounts.key"),
       "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
       "--authorization-mode=RBAC", "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
       "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
       "--audit-policy-file=" + file("audit.yaml"), "--audit-log-path=" + file("audit.log")});
}

Result<void> ControlPlane::start_controllers() {
  return start_child(
      "kube-controller-manager",
      {(programs_ / "kube-controller-manager").string(), "--kubeconfig=" + kubeconfig().string(),
       "--service-account-private-key-file=" + file("accounts.key"), "--root-ca-file=" + file("ca.crt"),
       "--use-service-account-credentials=false", fmt::format("--secure-port={}", controllers_port_),
       "--bind-address=127.0.0.1", "--cert-dir=" + file("controllers"), "--leader-elect=false",
       "--kube-api-qps=400", "--kube-api-burst=800", fmt::format("--controllers={}", controllers)});
}

Result<void> ControlPlane::start_child(const std::string& name, std::vector<std::string> command) {
  auto child = spawner_->spawn(std::move(command), folder_ / (name + ".log"));
  if (!child) return fail(child.error());
  children_.push_back(std::move(*child));
  return {};
}

Result<void> ControlPlane::connect() {
  const Result<kube::Connection> connection = kube::read_kubeconfig(kubeconfig());
  if (!connection) return fail(connection.error());
  auto client = http::make_client(executor_, {.tls = connection->tls, .user_agent = "kubernetes-test"});
  if (!client) return fail(client.error());
  client_ = std::move(*client);
  api_ = std::make_unique<kube::RestApi>(*connection, *client_, clock_, random_,
                                         kube::RestOptions{.per_second = 0});
  return {};
}

Task<Result<void>> ControlPlane::wait_ready() {
  const base::MonoTime deadline = clock_.now() + 90s;
  const std::string url = fmt::format("https://127.0.0.1:{}/readyz", apiserver_port_);
  std::string last;
  while (clock_.now() < deadline) {
    http::Request request{.url = http::Url::parse(url).value()};
    const Result<http::Response> answer = co_await client_->send(std::move(request), {.timeout = 5s});
    if (answer && answer->status == 200) co_return Result<void>{};
    last = answer ? answer->body : answer.error().message;
    co_await clock_.sleep_for(100ms);
  }
  co_return fail(Errc::timeout, fmt::format("kube-apiserver is not ready after 90s, see {}: {}",
                                            file("kube-apiserver.log"), last));
}

Task<void> ControlPlane::stop() {
  children_.clear();
  co_return;
}

// --- What was asked

void ControlPlane::read_audit_log(const std::function<void(const base::Json&)>& read) const {
  std::ifstream in(file("audit.log"));
  for (std::string line; std::getline(in, line);) {
    if (const Result<base::Json> entry = base::Json::parse(line)) read(*entry);
  }
}

std::map<std::string, std::uint64_t> ControlPlane::requests() const {
  std::map<std::string, std::uint64_t> all;
  read_audit_log([&](const base::Json& entry) {
    const std::string& verb = entry["verb"].str();
    const std::string& uri = entry["requestURI"].str();
    const bool is_ours = entry["userAgent"].str().starts_with("serin");
    if (is_ours && verb != "watch" && !uri.contains("/leases")) ++all[verb + " " + uri];
  });
  return all;
}

std::vector<std::string> ControlPlane::forbidden() const {
  std::vector<std::string> refused;
  read_audit_log([&](const base::Json& entry) {
    const bool is_ours = entry.get("user", "username").str() == controllers_account;
    if (is_ours && entry.get("responseStatus", "code") == base::Json(403))
      refused.push_back(entry["verb"].str() + " " + entry["requestURI"].str());
  });
  return refused;
}

std::unique_ptr<Server> make_server(Grounds grounds) {
  return std::make_unique<ControlPlane>(std::move(grounds));
}

}  // namespace serin::kubernetes_test
