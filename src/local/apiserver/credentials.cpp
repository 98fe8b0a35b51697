#include "local/apiserver/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

namespace serin::local {
namespace {

using base::Errc;
using base::fail;
using base::Result;
using http::CertifiedKey;

constexpr base::Duration authority_lifetime = std::chrono::hours(24 * 3650);
constexpr base::Duration certificate_lifetime = std::chrono::hours(24 * 365);
constexpr int renew_before_seconds = 30 * 24 * 3600;

std::string base64(const std::string& text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return encoded;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Whether a certificate still holds for a while. The system's time is right here: it is what clients go by.
bool is_fresh(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) return false;
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> limit(
      X509_gmtime_adj(nullptr, renew_before_seconds), &ASN1_TIME_free);
  return ASN1_TIME_compare(X509_get0_notAfter(certificate.get()), limit.get()) > 0;
}

/// The pair kept as <name>.crt and <name>.key, made by `make` where it is absent or about to end.
Result<CertifiedKey> ensure_pair(const std::string& directory, const std::string& name,
                                 const std::function<Result<CertifiedKey>()>& make) {
  const std::string certificate = directory + "/" + name + ".crt";
  const std::string key = directory + "/" + name + ".key";
  CertifiedKey kept{read_file(certificate), read_file(key)};
  if (!kept.key_pem.empty() && is_fresh(kept.certificate_pem)) return kept;
  Result<CertifiedKey> made = make();
  if (!made) return fail(made.error().within("certificate " + certificate));
  for (const auto& [path, text] :
       {std::pair{key, made->key_pem}, std::pair{certificate, made->certificate_pem}}) {
    const Result<void> written = write_private_file(path, text);
    if (!written) return fail(written.error());
  }
  return made;
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes)) != 1) return {};
  std::string text;
  for (const unsigned char c : raw) text += fmt::format("{:02x}", c);
  return text;
}

Result<std::string> ensure_token(const std::string& path) {
  std::string token = read_file(path);
  if (token.size() >= 32) return token;
  token = random_hex(32);
  if (token.empty()) return fail(Errc::internal, "the system has no random numbers");
  const Result<void> written = write_private_file(path, token);
  if (!written) return fail(written.error());
  return token;
}

}  // namespace

Result<void> write_private_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const auto failure = [&](int error) {
    return fail(Errc::unavailable, fmt::format("writing {}: {}", path, std::strerror(error)));
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return failure(errno);
  ::fchmod(file, 0600);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      ::close(file);
      return failure(error);
    }
    done += static_cast<std::size_t>(count);
  }
  ::close(file);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failure(errno);
  return {};
}

Result<Credentials> ensure_credentials(const std::string& directory, base::Clock& clock) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(Errc::unavailable, fmt::format("making {}: {}", directory, error.message()));
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  if (error) return fail(Errc::unavailable, fmt::format("protecting {}: {}", directory, error.message()));

  const base::WallTime from = clock.wall_now() - std::chrono::hours(1);
  const bool had_authority = is_fresh(read_file(directory + "/ca.crt"));
  const Result<CertifiedKey> authority = ensure_pair(directory, "ca", [&] {
    return http::make_authority("serin-ca", {.from = from, .length = authority_lifetime});
  });
  if (!authority) return fail(authority.error());
  if (!had_authority) {
    for (const char* name : {"server.crt", "admin.crt"})
      std::filesystem::remove(directory + "/" + name, error);
  }
  const http::Validity year{.from = from, .length = certificate_lifetime};
  const http::CertificateSpec server_spec{
      .common_name = "serin-apiserver",
      .names = {"localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local", "10.96.0.1"},
      .server = true,
      .validity = year};
  const http::CertificateSpec admin_spec{
      .common_name = "admin", .organizations = {"system:masters"}, .client = true, .validity = year};
  Result<CertifiedKey> server =
      ensure_pair(directory, "server", [&] { return http::issue(*authority, server_spec); });
  if (!server) return fail(server.error());
  Result<CertifiedKey> admin =
      ensure_pair(directory, "admin", [&] { return http::issue(*authority, admin_spec); });
  if (!admin) return fail(admin.error());
  Result<std::string> token = ensure_token(directory + "/token");
  if (!token) return fail(token.error());
  return Credentials{authority->certificate_pem, std::move(*server), std::move(*admin), std::move(*token)};
}

std::string kubeconfig_text(const Credentials& credentials, const std::string& url,
                            const std::string& context_name) {
  return fmt::format(R"(apiVersion: v1
kind: Config
clusters:
- name: {0}
  cluster:
    server: {1}
    certificate-authority-data: {2}
users:
- name: {0}
  user:
    client-certificate-data: {3}
    client-key-data: {4}
contexts:
- name: {0}
  context:
    cluster: {0}
    user: {0}
current-context: {0}
)",
                     context_name, url, base64(credentials.ca_pem), base64(credentials.admin.certificate_pem),
                     base64(credentials.admin.key_pem));
}

}  // namespace serin::local
