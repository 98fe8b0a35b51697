#include "local/apiserver/cluster_ips.h"

#include <fmt/format.h>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/network_v4.hpp>

#include "kube/api.h"

namespace serin::local {
namespace {

using boost::asio::ip::address_v4;

std::string text_of(std::uint32_t address) {
  return address_v4(address).to_string();
}

std::optional<std::uint32_t> number_of(const std::string& text) {
  boost::system::error_code error;
  const address_v4 address = boost::asio::ip::make_address_v4(text, error);
  if (error) return std::nullopt;
  return address.to_uint();
}

/// FNV-1a: stable across machines and runs, unlike std::hash.
std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const unsigned char c : text) hash = (hash ^ c) * 16777619u;
  return hash;
}

bool has_address(const Json& service) {
  const std::string& ip = service.get("spec", "clusterIP").str();
  return !ip.empty() && ip != "None";
}

}  // namespace

base::Result<ClusterIps> ClusterIps::parse(std::string_view cidr) {
  boost::system::error_code error;
  const auto network = boost::asio::ip::make_network_v4(std::string(cidr), error);
  if (error || network.prefix_length() > 29 || network.prefix_length() < 8) {
    return base::fail(base::Errc::invalid,
                      fmt::format("service range \"{}\": not an IPv4 range such as 10.96.0.0/16", cidr));
  }
  return ClusterIps(network.network().to_uint(), network.prefix_length());
}

std::string ClusterIps::first() const {
  return text_of(network_ + 1);
}

std::string ClusterIps::free_address(std::string_view service) const {
  // Neither the network's own address, nor the first (kubernetes), nor the broadcast address.
  const std::uint32_t usable = size() - 3;
  const std::uint32_t start = hash_of(service) % usable;
  for (std::uint32_t step = 0; step < usable; ++step) {
    const std::uint32_t address = network_ + 2 + (start + step) % usable;
    if (!taken_.contains(address)) return text_of(address);
  }
  return {};
}

FieldErrors ClusterIps::check_chosen(const std::string& address) const {
  const Json value = Json::array({Json(address)});
  const std::optional<std::uint32_t> number = number_of(address);
  if (!number) {
    return {FieldError::invalid("spec.clusterIPs", value,
                                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")};
  }
  if (*number <= network_ || *number - network_ >= size() - 1) {
    return {FieldError::invalid(
        "spec.clusterIPs", value,
        fmt::format(
            "failed to allocate IP {0}: the provided IP ({0}) is not in the valid range. The range of "
            "valid IPs is {1}/{2}",
            address, text_of(network_), prefix_))};
  }
  if (!taken_.contains(*number)) return {};
  return {FieldError::invalid(
      "spec.clusterIPs", value,
      fmt::format("failed to allocate IP {}: provided IP is already allocated", address))};
}

FieldErrors ClusterIps::assign(Json& service, const Json& old) const {
  Json& spec = service.set("spec");
  if (spec["type"].str() == "ExternalName") {
    for (const char* field : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(field);
    return {};
  }
  const Json& before = old["spec"];
  if (spec["clusterIP"].str().empty() && !before["clusterIP"].str().empty()) {
    spec.set("clusterIP") = before["clusterIP"];
  }
  if (spec["clusterIP"].str().empty() && !spec["clusterIPs"].empty()) {
    spec.set("clusterIP") = spec["clusterIPs"].at(0);
  }
  if (spec["clusterIP"].str().empty()) {
    const std::string address = free_address(kube::namespace_of(service) + "/" + kube::name_of(service));
    if (address.empty()) {
      return {FieldError::invalid("spec.clusterIPs", Json::array(),
                                  "failed to allocate a serviceIP: range is full")};
    }
    spec.set("clusterIP") = address;
  } else if (has_address(service) && spec["clusterIP"] != before["clusterIP"]) {
    FieldErrors errors = check_chosen(spec["clusterIP"].str());
    if (!errors.empty()) return errors;
  }
  spec.set("clusterIPs") = Json::array({spec["clusterIP"]});
  if (spec["ipFamilies"].empty()) spec.set("ipFamilies") = Json::array({"IPv4"});
  if (spec["ipFamilyPolicy"].str().empty()) spec.set("ipFamilyPolicy") = "SingleStack";
  return {};
}

void ClusterIps::claim(const Json& service) {
  if (!has_address(service)) return;
  const std::optional<std::uint32_t> number = number_of(service.get("spec", "clusterIP").str());
  if (number) taken_.insert(*number);
}

void ClusterIps::release(const Json& service) {
  if (!has_address(service)) return;
  const std::optional<std::uint32_t> number = number_of(service.get("spec", "clusterIP").str());
  if (number) taken_.erase(*number);
}

}  // namespace serin::local
