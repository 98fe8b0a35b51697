#include "local/mesh/http_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

namespace serin::local::mesh {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

constexpr auto token_table = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return token_table[static_cast<unsigned char>(c)]; });
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The next line without its ending (CRLF, or a bare LF), which is removed from `rest`.
std::string_view next_line(std::string_view& rest) {
  const std::size_t lf = rest.find('\n');
  std::string_view line = rest.substr(0, lf);
  rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// Calls `visit` with every element of a comma list.
template <class Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (const std::string_view element = trim(list.substr(0, comma)); !element.empty()) visit(element);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
}

/// The fields of a head; a text names the first malformed one.
std::expected<void, std::string> parse_fields(std::string_view rest, HeadFields& fields) {
  fields.clear();
  for (std::string_view line = next_line(rest); !line.empty(); line = next_line(rest)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return std::unexpected(std::string("malformed header line"));
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (std::ranges::any_of(value, is_control)) {
      return std::unexpected(fmt::format("control character in header {}", line.substr(0, colon)));
    }
    fields.emplace_back(line.substr(0, colon), value);
  }
  return {};
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return length;
}

/// What the fields say about body and connection; `chunked` and `length` as found, not yet weighed.
struct Found {
  bool transfer_encoding = false, chunked = false;
  std::optional<std::uint64_t> length;
  bool close = false, keep_alive = false, upgrade = false;
};

std::expected<Found, std::string> inspect(const HeadFields& fields) {
  Found found;
  for (const auto& [name, value] : fields) {
    if (name.size() == 14 && same_name(name, "Content-Length")) {
      const std::optional<std::uint64_t> length = parse_length(value);
      if (!length) return std::unexpected(std::string("malformed Content-Length"));
      if (found.length && found.length != length) {
        return std::unexpected(std::string("conflicting Content-Length"));
      }
      found.length = length;
    } else if (name.size() == 17 && same_name(name, "Transfer-Encoding")) {
      found.chunked = !found.transfer_encoding && same_name(value, "chunked");
      found.transfer_encoding = true;
    } else if (name.size() == 10 && same_name(name, "Connection")) {
      for_each_element(value, [&found](std::string_view element) {
        if (same_name(element, "close")) found.close = true;
        if (same_name(element, "keep-alive")) found.keep_alive = true;
        if (same_name(element, "upgrade")) found.upgrade = true;
      });
    }
  }
  return found;
}

/// Whether a field concerns one connection only; those that Connection names are `named`.
bool is_hop_by_hop(std::string_view name, std::string_view connection) {
  static constexpr std::string_view always[] = {"Connection", "Keep-Alive", "Proxy-Connection",
                                                "Proxy-Authorization", "TE"};
  if (std::ranges::any_of(always, [name](std::string_view each) { return same_name(name, each); }))
    return true;
  bool named = false;
  for_each_element(connection, [&named, name](std::string_view element) {
    // The fields that frame the body are ours to pass on, whatever Connection claims about them.
    if (same_name(element, name) && !same_name(name, "Transfer-Encoding") &&
        !same_name(name, "Content-Length") && !same_name(name, "Upgrade") && !same_name(name, "Host")) {
      named = true;
    }
  });
  return named;
}

std::string_view find(const HeadFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (same_name(key, name)) return value;
  }
  return {};
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void write_fields(const HeadFields& fields, bool upgrade, bool drop_length, bool is_request,
                  std::string& out) {
  const std::string_view connection = find(fields, "Connection");
  for (const auto& [name, value] : fields) {
    if (is_hop_by_hop(name, connection)) continue;
    // In a request these two are ours to say.
    if (is_request && (same_name(name, "Host") || same_name(name, "l5d-dst-canonical"))) continue;
    if (!upgrade && same_name(name, "Upgrade")) continue;
    if (drop_length && same_name(name, "Content-Length")) continue;
    append_field(out, name, value);
  }
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::size_t find_head_end(std::string_view bytes, std::size_t& searched) {
  for (std::size_t lf = bytes.find('\n', searched); lf != std::string_view::npos;
       lf = bytes.find('\n', lf + 1)) {
    if (lf + 1 < bytes.size() && bytes[lf + 1] == '\n') return lf + 2;
    if (lf + 2 < bytes.size() && bytes[lf + 1] == '\r' && bytes[lf + 2] == '\n') return lf + 3;
  }
  searched = bytes.size() < 3 ? 0 : bytes.size() - 3;
  return std::string_view::npos;
}

std::expected<void, HeadError> parse_request_head(std::string_view bytes, RequestHead& head) {
  const auto bad = [](std::string text) { return std::unexpected(HeadError{400, std::move(text)}); };
  head.size = bytes.size();
  const std::string_view line = next_line(bytes);
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("malformed request line");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method) || head.target.empty() ||
      std::ranges::any_of(head.target, [](char c) { return c == ' ' || c == '\t' || is_control(c); })) {
    return bad("malformed request line");
  }
  if (!version.starts_with("HTTP/")) return bad("malformed request line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return std::unexpected(HeadError{505, "only HTTP/1.1 and HTTP/1.0 are spoken here"});
  }
  if (auto fields = parse_fields(bytes, head.fields); !fields) return bad(fields.error());
  const std::expected<Found, std::string> found = inspect(head.fields);
  if (!found) return bad(found.error());

  Framing& framing = head.framing;
  framing = {.http_1_0 = version == "HTTP/1.0"};
  const auto hosts =
      std::ranges::count_if(head.fields, [](const auto& field) { return same_name(field.first, "Host"); });
  if (hosts > 1 || (hosts == 0 && !framing.http_1_0)) return bad("exactly one Host header is expected");
  head.host = find(head.fields, "Host");
  framing.keep_alive = !found->close && (!framing.http_1_0 || found->keep_alive);
  framing.upgrade = found->upgrade && !find(head.fields, "Upgrade").empty();
  if (found->transfer_encoding) {
    if (found->length) return bad("both Transfer-Encoding and Content-Length");
    if (framing.http_1_0) return bad("Transfer-Encoding in HTTP/1.0");
    if (!found->chunked) return std::unexpected(HeadError{501, "only the transfer coding chunked is known"});
    framing.body = BodyKind::chunked;
  } else if (found->length.value_or(0) > 0) {
    framing.body = BodyKind::length;
    framing.length = *found->length;
  }
  return {};
}

std::expected<void, std::string> parse_response_head(std::string_view bytes, bool to_head,
                                                     ResponseHead& head) {
  head.size = bytes.size();
  const std::string_view line = next_line(bytes);
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ') {
    return std::unexpected(std::string("malformed status line"));
  }
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, head.status);
  if (error != std::errc() || end != line.data() + 12 || head.status < 100 ||
      (line.size() > 12 && line[12] != ' ')) {
    return std::unexpected(std::string("malformed status line"));
  }
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (auto fields = parse_fields(bytes, head.fields); !fields) return std::unexpected(fields.error());
  const std::expected<Found, std::string> found = inspect(head.fields);
  if (!found) return std::unexpected(found.error());

  Framing& framing = head.framing;
  framing = {.http_1_0 = line[7] == '0'};
  framing.keep_alive = !found->close && (!framing.http_1_0 || found->keep_alive);
  framing.upgrade = found->upgrade;
  if (to_head || head.status < 200 || head.status == 204 || head.status == 304) {
    framing.body = BodyKind::none;
  } else if (found->transfer_encoding) {
    framing.body = found->chunked ? BodyKind::chunked : BodyKind::until_close;
  } else if (found->length) {
    framing.body = BodyKind::length;
    framing.length = *found->length;
  } else {
    framing.body = BodyKind::until_close;
  }
  if (framing.body == BodyKind::until_close) framing.keep_alive = false;
  return {};
}

void write_request_head(const RequestHead& head, std::string_view target, std::string_view host,
                        std::string_view canonical, std::string& out) {
  out.append(head.method).append(" ").append(target);
  out.append(head.framing.http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!host.empty()) append_field(out, "Host", host);
  write_fields(head.fields, head.framing.upgrade, false, true, out);
  if (!canonical.empty()) append_field(out, "l5d-dst-canonical", canonical);
  if (head.framing.upgrade) {
    append_field(out, "Connection", "Upgrade");
  } else if (head.framing.http_1_0) {
    append_field(out, "Connection", "close");
  }
  out.append("\r\n");
}

void write_response_head(const ResponseHead& head, bool close, std::string& out) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", head.status, head.reason);
  // A length next to a transfer coding is the coding's to overrule (RFC 9112 §6.3): it is not passed on.
  const bool drop_length =
      head.framing.body == BodyKind::chunked || head.framing.body == BodyKind::until_close;
  write_fields(head.fields, head.status == 101 || head.status == 426, drop_length, false, out);
  if (head.status == 101) {
    append_field(out, "Connection", "Upgrade");
  } else if (close) {
    append_field(out, "Connection", "close");
  }
  out.append("\r\n");
}

void edit_fields(const HeaderEdit& edit, HeadFields& fields) {
  const auto is_ours = [](std::string_view name) {
    static constexpr std::string_view names[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection",
                                                 "Upgrade"};
    return std::ranges::any_of(names, [name](std::string_view each) { return same_name(each, name); });
  };
  const auto drop = [&fields](std::string_view name) {
    std::erase_if(fields, [name](const auto& field) { return same_name(field.first, name); });
  };
  const auto put = [&](const std::string& name, const std::string& value) {
    if (is_token(name) && std::ranges::none_of(value, is_control)) fields.emplace_back(name, value);
  };
  for (const auto& [name, value] : edit.add) {
    if (!is_ours(name)) put(name, value);
  }
  for (const auto& [name, value] : edit.set) {
    if (is_ours(name)) continue;
    drop(name);
    put(name, value);
  }
  for (const std::string& name : edit.remove) {
    if (!is_ours(name)) drop(name);
  }
}

FirstBytes detect(std::string_view bytes) {
  static constexpr std::string_view methods[] = {"GET ",     "HEAD ",    "POST ",  "PUT ",  "DELETE ",
                                                 "CONNECT ", "OPTIONS ", "TRACE ", "PATCH "};
  constexpr std::size_t method_max = 32, line_max = 8192;
  if (bytes.empty()) return FirstBytes::unknown;
  for (const std::string_view method : methods) {
    if (bytes.starts_with(method)) return FirstBytes::http;
  }
  const std::size_t blank = bytes.find(' ');
  const std::string_view method = bytes.substr(0, blank);
  if (!is_token(method) || method.size() > method_max) return FirstBytes::other;
  if (blank == std::string_view::npos) return FirstBytes::unknown;
  // A method we do not know: only the end of the line tells.
  const std::size_t lf = bytes.find('\n');
  if (lf == std::string_view::npos) return bytes.size() < line_max ? FirstBytes::unknown : FirstBytes::other;
  std::string_view line = bytes.substr(0, lf);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0") ? FirstBytes::http : FirstBytes::other;
}

}  // namespace serin::local::mesh
