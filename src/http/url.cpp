#include <algorithm>
#include <charconv>

#include "http/message.h"

namespace serin::http {

namespace {

using base::Errc;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

std::string_view default_port(std::string_view scheme) {
  return scheme == "https" ? "443" : "80";
}

/// Characters that would break the request line are escaped, everything else stays as it was written.
std::string on_the_request_line(std::string_view target) {
  std::string escaped;
  for (const char c : target) {
    if (c == ' ' || c == '"' || c == '<' || c == '>' || static_cast<unsigned char>(c) >= 0x80) {
      escaped += percent_encode(std::string_view(&c, 1));
    } else {
      escaped += c;
    }
  }
  if (escaped.empty() || escaped.front() == '?') escaped.insert(0, "/");
  return escaped;
}

base::Result<void> read_port(std::string_view digits, Url* into) {
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || number < 1 || number > 65535) {
    return base::fail(Errc::invalid, "invalid port \"" + std::string(digits) + "\" after host in URL");
  }
  into->port = std::to_string(number);
  return {};
}

/// Reads "host", "host:port", "[address]" or "[address]:port".
base::Result<void> read_authority(std::string_view text, Url* into) {
  std::string_view host, rest;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return base::fail(Errc::invalid, "missing ']' in host of URL");
    host = text.substr(1, bracket - 1);
    rest = text.substr(bracket + 1);
  } else {
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
  }
  if (host.empty()) return base::fail(Errc::invalid, "no Host in request URL");
  const auto forbidden = [](char c) { return std::string_view(" \"<>\\^`{|}@").contains(c); };
  if (std::ranges::any_of(host, forbidden)) {
    return base::fail(Errc::invalid, "invalid character in host name of URL");
  }
  into->host = lower_case(host);
  if (rest.empty() || rest == ":") return {};
  if (rest.front() != ':') return base::fail(Errc::invalid, "invalid characters after host in URL");
  return read_port(rest.substr(1), into);
}

}  // namespace

base::Result<Url> Url::parse(std::string_view text) {
  if (std::ranges::any_of(text, is_control)) {
    return base::fail(Errc::invalid, "invalid control character in URL");
  }
  Url url;
  const std::size_t separator = text.find("://");
  const std::string_view scheme =
      separator == std::string_view::npos ? std::string_view() : text.substr(0, separator);
  url.scheme = lower_case(scheme);
  if (url.scheme != "http" && url.scheme != "https") {
    return base::fail(Errc::invalid, "unsupported protocol scheme \"" + url.scheme + "\"");
  }
  url.port = default_port(url.scheme);

  std::string_view rest = text.substr(separator + 3);
  rest = rest.substr(0, rest.find('#'));  // the fragment is the user agent's own business
  std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  url.target = on_the_request_line(rest.substr(authority.size()));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.userinfo = percent_decode(authority.substr(0, at));
    authority.remove_prefix(at + 1);
  }
  if (const auto read = read_authority(authority, &url); !read) return base::fail(read.error());
  return url;
}

std::string Url::authority() const {
  std::string text = host.contains(':') ? "[" + host + "]" : host;
  if (!port.empty() && port != default_port(scheme)) text += ":" + port;
  return text;
}

std::string Url::text() const {
  return scheme + "://" + authority() + target;
}

}  // namespace serin::http
