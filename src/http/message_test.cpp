#include "http/message.h"

#include <gtest/gtest.h>

namespace serin::http {
namespace {

TEST(Headers, NamesCompareWithoutCase) {
  Headers headers{{"Content-Type", "text/plain"}, {"Accept", "a"}, {"accept", "b"}};
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.all("ACCEPT"), (std::vector<std::string_view>{"a", "b"}));
  headers.set("ACCEPT", "c");
  EXPECT_EQ(headers.all("accept"), (std::vector<std::string_view>{"c"}));
  EXPECT_FALSE(headers.contains("Accept-Encoding"));
  EXPECT_EQ(headers.get("Accept-Encoding"), "");
}

TEST(Url, ReadsItsParts) {
  const struct {
    const char *text, *scheme, *host, *port, *target, *userinfo, *authority;
  } cases[] = {
      {"http://podinfo.test:9898/healthz?x=1#top", "http", "podinfo.test", "9898", "/healthz?x=1", "",
       "podinfo.test:9898"},
      {"HTTPS://Example.COM", "https", "example.com", "443", "/", "", "example.com"},
      {"http://h:80?q", "http", "h", "80", "/?q", "", "h"},
      {"https://u%40x:p:w@[::1]:6443/a", "https", "::1", "6443", "/a", "u@x:p:w", "[::1]:6443"},
      {"http://h:/a b\xc3\xa9", "http", "h", "80", "/a%20b%C3%A9", "", "h"},
  };
  for (const auto& c : cases) {
    const auto url = Url::parse(c.text);
    ASSERT_TRUE(url) << c.text << ": " << url.error().message;
    EXPECT_EQ(*url, (Url{c.scheme, c.host, c.port, c.target, c.userinfo})) << c.text;
    EXPECT_EQ(url->authority(), c.authority);
  }
  EXPECT_EQ(Url::parse("http://u:p@h:81/x?y")->text(), "http://h:81/x?y");
}

TEST(Url, SaysWhatIsWrong) {
  const struct {
    const char *text, *error;
  } cases[] = {
      {"foo", "unsupported protocol scheme \"\""},
      {"ftp://x/", "unsupported protocol scheme \"ftp\""},
      {"http://", "no Host in request URL"},
      {"http:///path", "no Host in request URL"},
      {"http://h:0/", "invalid port \"0\" after host in URL"},
      {"http://h:99999/", "invalid port \"99999\" after host in URL"},
      {"http://user:secret@h:8x/", "invalid port \"8x\" after host in URL"},
      {"http://[::1/", "missing ']' in host of URL"},
      {"http://a b/", "invalid character in host name of URL"},
      {"http://h/\r\nX: y", "invalid control character in URL"},
  };
  for (const auto& c : cases) {
    const auto url = Url::parse(c.text);
    ASSERT_FALSE(url) << c.text;
    EXPECT_EQ(url.error(), (base::Error{base::Errc::invalid, c.error})) << c.text;
  }
}

TEST(Percent, EncodesAndDecodes) {
  EXPECT_EQ(percent_encode("a b/c~\xff"), "a%20b%2Fc~%FF");
  EXPECT_EQ(percent_decode("a%20b%2fc%7E"), "a b/c~");
  EXPECT_EQ(percent_decode("1+1", true), "1 1");
  EXPECT_EQ(percent_decode("1+1"), "1+1");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
  EXPECT_EQ(percent_decode("%41"), "A");
}

TEST(Target, SplitsPathAndQuery) {
  const Target target = Target::parse("/a%2Fb?watch=true&labelSelector=app%3Dx+y&empty&&last=");
  EXPECT_EQ(target.path, "/a/b");
  EXPECT_EQ(target.find("watch"), "true");
  EXPECT_EQ(target.find("labelSelector"), "app=x y");
  EXPECT_EQ(target.find("empty"), "");
  EXPECT_EQ(target.find("absent"), std::nullopt);
  EXPECT_EQ(target.query.size(), 4u);
}

}  // namespace
}  // namespace serin::http
