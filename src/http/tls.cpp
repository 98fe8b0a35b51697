#include "http/tls.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

#include "http/openssl_handles.h"

namespace serin::http {

using base::Errc;
using base::Result;

namespace {

using Extension = std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Releaser<BN_free>>;

base::Error openssl_error(std::string_view what) {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return {Errc::internal, std::string(what) + ": " + (reason ? reason : "unknown reason")};
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    boost::system::error_code not_an_address;
    boost::asio::ip::make_address(name, not_an_address);
    if (!list.empty()) list += ",";
    list += (not_an_address ? "DNS:" : "IP:") + name;
  }
  return list;
}

bool set_times(X509* certificate, Validity validity) {
  const auto seconds = [](base::WallTime time) {
    return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  };
  const auto length = std::chrono::floor<std::chrono::milliseconds>(validity.length);
  return ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(validity.from)) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(validity.from + length));
}

bool set_random_serial(X509* certificate) {
  constexpr int bits = 127;  // positive, and as good as unique
  const BigNumber number(BN_new());
  return number && BN_rand(number.get(), bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

/// A certificate for `key` with everything but extensions, issuer and signature.
Certificate new_certificate(EVP_PKEY* key, const CertificateSpec& spec) {
  Certificate certificate(X509_new());
  constexpr long version_3 = 2;
  bool good = certificate && X509_set_version(certificate.get(), version_3) == 1 &&
              set_random_serial(certificate.get()) && set_times(certificate.get(), spec.validity) &&
              X509_set_pubkey(certificate.get(), key) == 1;
  X509_NAME* const subject = good ? X509_get_subject_name(certificate.get()) : nullptr;
  for (const std::string& organization : spec.organizations) {
    good = good && add_name(subject, "O", organization);
  }
  good = good && add_name(subject, "CN", spec.common_name);
  return good ? std::move(certificate) : nullptr;
}

Result<CertifiedKey> pem_of(X509* certificate, EVP_PKEY* key) {
  const Bio certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return base::fail(openssl_error("writing a certificate"));
  }
  return CertifiedKey{text_of(certificate_text), text_of(key_text)};
}

}  // namespace

Result<CertifiedKey> make_authority(const std::string& common_name, Validity validity) {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return base::fail(openssl_error("making a key"));
  const Certificate certificate =
      new_certificate(key.get(), {.common_name = common_name, .validity = validity});
  X509* const x509 = certificate.get();
  const bool good =
      x509 && X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
      add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(x509, x509, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") &&
      add_extension(x509, x509, NID_subject_key_identifier, "hash") &&
      X509_sign(x509, key.get(), EVP_sha256()) > 0;
  if (!good) return base::fail(openssl_error("making the authority " + common_name));
  return pem_of(x509, key.get());
}

Result<CertifiedKey> issue(const CertifiedKey& authority, const CertificateSpec& spec) {
  const Bio authority_text = read_only_bio(authority.certificate_pem);
  const Certificate issuer(PEM_read_bio_X509(authority_text.get(), nullptr, nullptr, nullptr));
  const Key issuer_key = read_key(authority.key_pem);
  if (!issuer || !issuer_key) {
    ERR_clear_error();
    return base::fail(Errc::invalid, "the certificate authority is not a PEM certificate and key");
  }
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return base::fail(openssl_error("making a key"));
  const Certificate certificate = new_certificate(key.get(), spec);
  X509* const x509 = certificate.get();
  const std::string usage = std::string(spec.server ? "serverAuth" : "") +
                            (spec.server && spec.client ? "," : "") + (spec.client ? "clientAuth" : "");
  const bool good = x509 && X509_set_issuer_name(x509, X509_get_subject_name(issuer.get())) == 1 &&
                    add_extension(x509, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(x509, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                    (usage.empty() || add_extension(x509, issuer.get(), NID_ext_key_usage, usage)) &&
                    add_extension(x509, issuer.get(), NID_authority_key_identifier, "keyid") &&
                    (spec.names.empty() || add_extension(x509, issuer.get(), NID_subject_alt_name,
                                                         alternative_names(spec.names))) &&
                    X509_sign(x509, issuer_key.get(), EVP_sha256()) > 0;
  if (!good) return base::fail(openssl_error("issuing the certificate of " + spec.common_name));
  return pem_of(x509, key.get());
}

}  // namespace serin::http
