#include "http/proxy_rules.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace serin::http {

namespace ip = boost::asio::ip;
using base::Errc;
using base::Result;
using boost::system::error_code;

namespace {

std::string trimmed_lower(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_address(const std::string& host) {
  error_code error;
  ip::make_address(host, error);
  return !error;
}

bool is_loopback(const std::string& host) {
  error_code error;
  const ip::address address = ip::make_address(host, error);
  return host == "localhost" || (!error && address.is_loopback());
}

/// Whether `network` ("10.0.0.0/8") holds the address `host`; false if either is something else.
bool contains(const std::string& network, const std::string& host) {
  error_code bad_address, bad_network;
  const ip::address address = ip::make_address(host, bad_address);
  if (bad_address) return false;
  if (address.is_v4()) {
    const auto net = ip::make_network_v4(network, bad_network);
    return !bad_network && ip::network_v4(address.to_v4(), net.prefix_length()).network() == net.network();
  }
  const auto net = ip::make_network_v6(network, bad_network);
  return !bad_network && ip::network_v6(address.to_v6(), net.prefix_length()).network() == net.network();
}

Result<std::optional<Url>> parse_proxy(std::string_view variable, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const bool has_scheme = text.contains("://");
  const Result<Url> url = Url::parse(has_scheme ? text : "http://" + text);
  if (!url) return base::fail(Errc::invalid, std::string(variable) + ": " + url.error().message);
  return *url;
}

}  // namespace

Result<ProxyRules> ProxyRules::parse(const ProxyOptions& options) {
  ProxyRules rules;
  const auto every = parse_proxy("proxy", options.every);
  if (!every) return base::fail(every.error());
  rules.every_ = *every;
  const auto http = parse_proxy("HTTP_PROXY", options.http_proxy);
  if (!http) return base::fail(http.error());
  const auto https = parse_proxy("HTTPS_PROXY", options.https_proxy);
  if (!https) return base::fail(https.error());
  rules.http_ = *http;
  rules.https_ = *https;
  std::string_view rest = options.no_proxy;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
    const std::string name = trimmed_lower(entry);
    if (name.empty()) continue;
    if (name == "*") rules.all_direct_ = true;
    rules.exceptions_.push_back(parse_exception(name));
  }
  return rules;
}

ProxyRules::Exception ProxyRules::parse_exception(std::string entry) {
  if (entry.contains('/')) return {.network = entry};
  Exception exception;
  const std::size_t colon = entry.rfind(':');
  const bool single_colon = colon != std::string::npos && entry.find(':') == colon;
  if (entry.starts_with('[')) {  // "[::1]" or "[::1]:80"
    const std::size_t bracket = std::min(entry.find(']'), entry.size());
    if (entry.substr(bracket).starts_with("]:")) exception.port = entry.substr(bracket + 2);
    entry = entry.substr(1, bracket - 1);
  } else if (single_colon) {
    exception.port = entry.substr(colon + 1);
    entry.resize(colon);
  }
  if (entry.starts_with("*.")) entry.erase(0, 1);
  if (entry.starts_with('.')) {
    exception.suffix = entry;
  } else {
    exception.host = entry;
    if (!is_address(entry)) exception.suffix = "." + entry;
  }
  return exception;
}

bool ProxyRules::matches(const Exception& exception, const Url& url) {
  if (!exception.network.empty()) return contains(exception.network, url.host);
  if (!exception.port.empty() && exception.port != url.port) return false;
  const bool same = !exception.host.empty() && url.host == exception.host;
  return same || (!exception.suffix.empty() && url.host.ends_with(exception.suffix));
}

const Url* ProxyRules::proxy_for(const Url& url) const {
  if (every_) return &*every_;
  const std::optional<Url>& proxy = url.scheme == "https" ? https_ : http_;
  if (!proxy || all_direct_ || is_loopback(url.host)) return nullptr;
  const auto applies = [&url](const Exception& exception) { return matches(exception, url); };
  return std::ranges::any_of(exceptions_, applies) ? nullptr : &*proxy;
}

}  // namespace serin::http
