#include "http/proxy_rules.h"

#include <gtest/gtest.h>

namespace serin::http {
namespace {

TEST(ProxyRules, HonoursNoProxyAsGoDoes) {
  const struct {
    const char *no_proxy, *url;
    bool proxied;
  } cases[] = {
      {"", "http://podinfo.test/", true},
      {"", "http://localhost:8080/", false},
      {"", "http://127.0.0.3/", false},
      {"", "http://[::1]/", false},
      {"*", "http://podinfo.test/", false},
      {"example.com", "http://example.com/", false},
      {"example.com", "http://a.example.com/", false},
      {"example.com", "http://badexample.com/", true},
      {".example.com", "http://example.com/", true},
      {".example.com", "http://a.example.com/", false},
      {"*.example.com", "http://a.example.com/", false},
      {"a , b:81", "http://a/", false},
      {"a , b:81", "http://b/", true},
      {"a , b:81", "http://b:81/", false},
      {"10.0.0.0/8", "http://10.1.2.3/", false},
      {"10.0.0.0/8", "http://11.1.2.3/", true},
      {"fd00::/8", "http://[fd01::2]/", false},
      {"fd00::/8", "http://10.1.2.3/", true},
      {"10.1.2.3", "http://10.1.2.3/", false},
      {"[fd00::1]:80", "http://[fd00::1]/", false},
      {"[fd00::1]:81", "http://[fd00::1]/", true},
      {"EXAMPLE.com", "http://Example.COM/", false},
  };
  for (const auto& c : cases) {
    const auto rules =
        ProxyRules::parse({.http_proxy = "http://proxy:3128", .https_proxy = {}, .no_proxy = c.no_proxy});
    ASSERT_TRUE(rules);
    EXPECT_EQ(rules->proxy_for(*Url::parse(c.url)) != nullptr, c.proxied) << c.no_proxy << " " << c.url;
  }
}

TEST(ProxyRules, HasAProxyForEachScheme) {
  const auto rules = ProxyRules::parse({.http_proxy = "a:1", .https_proxy = "http://u:p@b", .no_proxy = {}});
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->proxy_for(*Url::parse("http://x/"))->authority(), "a:1");
  EXPECT_EQ(rules->proxy_for(*Url::parse("https://x/"))->userinfo, "u:p");
}

TEST(ProxyRules, OneProxyForEverythingKnowsNoExceptions) {
  const auto rules =
      ProxyRules::parse({.http_proxy = "a:1", .https_proxy = {}, .no_proxy = "*", .every = "b:2"});
  ASSERT_TRUE(rules);
  for (const char* url : {"http://x/", "https://x/", "http://127.0.0.1/"}) {
    const Url* const proxy = rules->proxy_for(*Url::parse(url));
    ASSERT_TRUE(proxy) << url;
    EXPECT_EQ(proxy->authority(), "b:2") << url;
  }
}

TEST(ProxyRules, NamesTheVariableThatIsWrong) {
  const auto rules = ProxyRules::parse({.http_proxy = {}, .https_proxy = "socks5://x:1", .no_proxy = {}});
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error(),
            (base::Error{base::Errc::invalid, "HTTPS_PROXY: unsupported protocol scheme \"socks5\""}));
}

}  // namespace
}  // namespace serin::http
