#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "local/machinery/status.h"

namespace serin::local {

/// Allots the addresses of Services from one IPv4 range. The same Service gets the same address in every run,
/// as long as it is free: it is looked for from a hash of its name on.
class ClusterIps {
 public:
  /// Error (invalid): no IPv4 range with at least 8 addresses.
  static base::Result<ClusterIps> parse(std::string_view cidr);

  /// The range's first address, kept for the Service `kubernetes`.
  [[nodiscard]] std::string first() const;
  /// Fills in spec.clusterIP, clusterIPs and the families of a Service that is created (`old` null) or
  /// changed, and checks an address that the user chose. Nothing is claimed yet.
  [[nodiscard]] FieldErrors assign(Json& service, const Json& old) const;
  /// Marks the address of a Service as taken or free.
  void claim(const Json& service);
  void release(const Json& service);

 private:
  ClusterIps(std::uint32_t network, int prefix) : network_(network), prefix_(prefix) {}
  [[nodiscard]] std::uint32_t size() const { return prefix_ == 0 ? ~0u : 1u << (32 - prefix_); }
  [[nodiscard]] std::string free_address(std::string_view service) const;
  [[nodiscard]] FieldErrors check_chosen(const std::string& address) const;

  std::uint32_t network_;
  int prefix_;
  std::set<std::uint32_t> taken_;
};

}  // namespace serin::local
