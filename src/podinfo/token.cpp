#include "podinfo/token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/json.h"

namespace serin::podinfo {
namespace {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

std::string hmac_sha256(std::string_view text, std::string_view secret) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &length);
  return {reinterpret_cast<const char*>(digest.data()), length};
}

std::int64_t unix_seconds(base::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

std::string sign_token(const Claims& claims, std::string_view secret) {
  const Json header = Json::object({{"alg", "HS256"}, {"typ", "JWT"}});
  const Json body =
      Json::object({{"name", claims.name}, {"iss", "podinfo"}, {"exp", unix_seconds(claims.expires)}});
  const std::string text = base::base64url_encode(header.dump()) + "." + base::base64url_encode(body.dump());
  return text + "." + base::base64url_encode(hmac_sha256(text, secret));
}

base::Result<Claims> verify_token(std::string_view token, std::string_view secret, base::WallTime now) {
  if (std::ranges::count(token, '.') != 2) {
    return fail(Errc::forbidden, "token is malformed: token contains an invalid number of segments");
  }
  const auto first = token.find('.'), last = token.rfind('.');
  const Result<std::string> head = base::base64_decode(token.substr(0, first));
  const Result<std::string> body = base::base64_decode(token.substr(first + 1, last - first - 1));
  const Result<std::string> signature = base::base64_decode(token.substr(last + 1));
  if (!head || !body || !signature) return fail(Errc::forbidden, "token is malformed: not base64");
  const Result<Json> header = Json::parse(*head), claims = Json::parse(*body);
  if (!header || !claims) return fail(Errc::forbidden, "token is malformed: not JSON");
  const std::string expected = hmac_sha256(token.substr(0, last), secret);
  const bool same = (*header)["alg"].str() == "HS256" && signature->size() == expected.size() &&
                    CRYPTO_memcmp(signature->data(), expected.data(), expected.size()) == 0;
  if (!same) return fail(Errc::forbidden, "token signature is invalid: signature is invalid");
  const std::int64_t expires = (*claims)["exp"].int_or(0);
  if (expires <= unix_seconds(now))
    return fail(Errc::forbidden, "token has invalid claims: token is expired");
  if ((*claims)["iss"].str() != "podinfo") return fail(Errc::forbidden, "invalid issuer");
  return Claims{(*claims)["name"].str(), base::WallTime(std::chrono::seconds(expires))};
}

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace serin::podinfo
