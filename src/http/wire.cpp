#include "http/wire.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"

namespace serin::http {

namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";  // RFC 9110 §5.6.2
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || marks.contains(c);
  };
  return !text.empty() && std::ranges::all_of(text, allowed);
}

bool is_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

void add_fields(std::string* head, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    *head += name;
    *head += ": ";
    *head += value;
    *head += "\r\n";
  }
  *head += "\r\n";
}

}  // namespace

std::string request_head(std::string_view method, std::string_view target, const Headers& headers) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\n", method, target);
  add_fields(&head, headers);
  return head;
}

std::string response_head(int status, const Headers& headers) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  add_fields(&head, headers);
  return head;
}

base::Result<void> check_headers(const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (!is_token(name)) {
      return base::fail(base::Errc::invalid, fmt::format("invalid header field name \"{}\"", name));
    }
    if (!is_value(value)) {  // the value may be a secret
      return base::fail(base::Errc::invalid, fmt::format("invalid header field value for \"{}\"", name));
    }
  }
  return {};
}

std::string chunk(std::string_view piece) {
  if (piece.empty()) return "0\r\n\r\n";
  std::string framed = fmt::format("{:x}\r\n", piece.size());
  framed.reserve(framed.size() + piece.size() + 2);
  framed += piece;
  framed += "\r\n";
  return framed;
}

std::string http_date(base::WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", seconds);
}

std::string basic_authorization(std::string_view userinfo) {
  return "Basic " + base::base64_encode(userinfo);
}

bool has_token(std::string_view list, std::string_view token) {
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (std::ranges::equal(item, token, same)) return true;
  }
  return false;
}

}  // namespace serin::http
