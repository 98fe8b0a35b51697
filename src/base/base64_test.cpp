#include "base/base64.h"

#include <gtest/gtest.h>

namespace serin::base {
namespace {

TEST(Base64, KnownPairs) {  // RFC 4648 §10
  const std::pair<const char*, const char*> pairs[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : pairs) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded).value(), plain);
  }
}

TEST(Base64, UrlAlphabetWithoutPadding) {
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64_decode("-__-").value(), "\xfb\xff\xfe");
  EXPECT_EQ(base64_decode("Zg").value(), "f");
}

TEST(Base64, MalformedIsRefused) {
  for (const char* text : {"Z", "Zg=x", "Z g=", "Zm9v\n", "Zm9vY", "\xff\xff\xff\xff"}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace serin::base
