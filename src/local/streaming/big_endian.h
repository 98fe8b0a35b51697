#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace serin::local {

/// Reads the first bytes of `bytes`, which must be long enough, in network order.
inline std::uint64_t read_big_endian(std::string_view bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}
inline std::uint32_t read_u32(std::string_view bytes) {
  return static_cast<std::uint32_t>(read_big_endian(bytes, 4));
}
inline void append_big_endian(std::string& to, std::uint64_t value, std::size_t count) {
  for (std::size_t i = count; i-- > 0;) to += static_cast<char>((value >> (8 * i)) & 255);
}
inline void append_u32(std::string& to, std::uint32_t value) {
  append_big_endian(to, value, 4);
}

}  // namespace serin::local
