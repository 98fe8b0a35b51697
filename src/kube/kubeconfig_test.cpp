#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace serin::kube {
namespace {

using testing::HasSubstr;

/// A folder of its own for each test, removed with it.
class Kubeconfig : public testing::Test {
 protected:
  Kubeconfig() {
    std::string pattern = (std::filesystem::temp_directory_path() / "serin-kubeconfig-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~Kubeconfig() override { std::filesystem::remove_all(folder); }

  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  std::filesystem::path config(const std::string& cluster, const std::string& user) {
    return write("config",
                 "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
                 "contexts:\n- name: main\n  context: {cluster: c, user: u, namespace: test}\n"
                 "clusters:\n- name: c\n  cluster: " +
                     cluster + "\nusers:\n- name: u\n  user: " + user + "\n");
  }

  std::filesystem::path folder;
};

TEST_F(Kubeconfig, ReadsEmbeddedCertificates) {
  const auto read = read_kubeconfig(
      config("{server: 'https://10.0.0.1:6443', certificate-authority-data: Q0E=, tls-server-name: api}",
             "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ}"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->server.text(), "https://10.0.0.1:6443/");
  EXPECT_EQ(read->tls.ca_pem, "CA");
  EXPECT_EQ(read->tls.server_name, "api");
  EXPECT_TRUE(read->tls.verify);
  EXPECT_EQ(read->tls.certificate_pem, "CERT");
  EXPECT_EQ(read->tls.key_pem, "KEY");
  EXPECT_EQ(read->ns, "test");
}

TEST_F(Kubeconfig, FilesAreRelativeToItsFolder) {
  write("ca.pem", "CA");
  const auto read = read_kubeconfig(
      config("{server: 'https://h/prefix', certificate-authority: ca.pem}", "{tokenFile: token}"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->tls.ca_pem, "CA");
  EXPECT_EQ(read->credentials.token_file, folder / "token");
  EXPECT_EQ(read->server.target, "/prefix");
}

TEST_F(Kubeconfig, OtherCredentials) {
  const auto token = read_kubeconfig(config("{server: 'h:8080'}", "{token: secret}"));
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(token->credentials.token, "secret");
  EXPECT_EQ(token->server.text(), "http://h:8080/");

  const auto basic = read_kubeconfig(
      config("{server: 'https://h', insecure-skip-tls-verify: true}", "{username: me, password: pw}"));
  ASSERT_TRUE(basic) << basic.error().message;
  EXPECT_EQ(basic->credentials.username, "me");
  EXPECT_EQ(basic->credentials.password, "pw");
  EXPECT_FALSE(basic->tls.verify);

  const auto elsewhere = read_kubeconfig(config("{server: 'https://h'}", "{}"), {}, "https://other:1");
  ASSERT_TRUE(elsewhere) << elsewhere.error().message;
  EXPECT_EQ(elsewhere->server.host, "other");
}

TEST_F(Kubeconfig, ErrorsNameFileFieldAndRemedy) {
  const auto message = [](const base::Result<Connection>& read) {
    return read ? std::string("no error") : read.error().message;
  };
  EXPECT_THAT(message(read_kubeconfig(folder / "absent")), HasSubstr("cannot read " + folder.string()));
  const std::string server = "{server: 'https://h'}";
  EXPECT_THAT(message(read_kubeconfig(config(server, "{exec: {command: aws}}"))),
              testing::AllOf(HasSubstr("config: user u: exec: "),
                             HasSubstr("plug-ins are not supported; use a token")));
  EXPECT_THAT(message(read_kubeconfig(config("{}", "{}"))), HasSubstr("cluster c: server: missing"));
  EXPECT_THAT(
      message(read_kubeconfig(config("{server: 'https://h', certificate-authority-data: '?'}", "{}"))),
      HasSubstr("cluster c: certificate-authority-data: "));
  EXPECT_THAT(message(read_kubeconfig(config(server, "{client-key-data: S0VZ}"))),
              HasSubstr("user u: client-certificate: missing"));
  EXPECT_THAT(message(read_kubeconfig(config(server, "{}"), "other")),
              HasSubstr("no context named \"other\" in contexts"));
  EXPECT_THAT(message(read_kubeconfig(write("broken", "a: [1"))), HasSubstr("broken: "));
  EXPECT_THAT(message(read_kubeconfig(write("none", "kind: Config"))),
              HasSubstr("current-context is not set"));
}

TEST_F(Kubeconfig, InCluster) {
  write("ca.crt", "CA");
  write("token", "secret");
  write("namespace", "flagger-system");
  const auto read = in_cluster_connection({"fd00::1", "443", folder});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->server.text(), "https://[fd00::1]/");
  EXPECT_EQ(read->credentials.token_file, folder / "token");
  EXPECT_EQ(read->tls.ca_pem, "CA");
  EXPECT_EQ(read->ns, "flagger-system");

  const auto outside = in_cluster_connection({});
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().message, HasSubstr("give -kubeconfig"));
}

}  // namespace
}  // namespace serin::kube
