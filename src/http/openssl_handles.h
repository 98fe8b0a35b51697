#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace serin::http {

/// OpenSSL's objects with their owners. For .cpp files of this folder only.
template <auto release>
struct Releaser {
  void operator()(auto* object) const { release(object); }
};

using Bio = std::unique_ptr<BIO, Releaser<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;

/// Reads from `text`, which must outlive it.
inline Bio read_only_bio(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// The first private key of a PEM text, null if there is none. Encrypted keys are not asked about.
inline Key read_key(const std::string& pem) {
  const auto no_password = [](char*, int, int, void*) { return 0; };
  const Bio bio = read_only_bio(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

/// What was written to a memory BIO.
inline std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace serin::http
