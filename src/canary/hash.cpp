#include "canary/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace serin::canary {
namespace {

using base::Json;

/// FNV-1a, 64 bit.
std::uint64_t fnv1a(std::string_view text, std::uint64_t seed = 0xcbf29ce484222325ULL) {
  for (const unsigned char c : text) seed = (seed ^ c) * 0x100000001b3ULL;
  return seed;
}

/// Without nulls and empty objects and arrays, at every level: what an API server may add or drop at will.
Json without_empties(const Json& value) {
  if (value.is_array()) {
    Json result = Json::array();
    for (const Json& element : value.items()) result.push_back(without_empties(element));
    return result;
  }
  if (!value.is_object()) return value;
  Json result = Json::object();
  for (const Json::Member& member : value.members()) {
    Json inner = without_empties(member.value);
    const bool container = inner.is_object() || inner.is_array();
    if (inner.is_null() || (container && inner.empty())) continue;
    result.set(member.key) = std::move(inner);
  }
  return result;
}

}  // namespace

std::string template_hash(const Json& pod_template) {
  return fmt::format("s{:016x}", fnv1a(base::sorted(without_empties(pod_template)).dump()));
}

bool is_own_hash(std::string_view hash) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return hash.size() == 17 && hash.front() == 's' && std::ranges::all_of(hash.substr(1), hex);
}

std::string stable_uuid(std::string_view first, std::string_view second) {
  const std::uint64_t a = fnv1a(second, fnv1a("\n", fnv1a(first)));
  const std::uint64_t b = fnv1a(first, fnv1a("\r", fnv1a(second)));
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     ((b >> 48) & 0x3fff) | 0x8000, b & 0xffff'ffff'ffff);
}

}  // namespace serin::canary
