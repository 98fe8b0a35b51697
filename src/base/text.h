#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace serin::base {

/// The longest prefix of at most `bytes_max` bytes that ends between two characters of UTF-8.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max);

/// The text with U+FFFD in place of what is no UTF-8: what others send may be anything, but JSON and the API
/// take UTF-8 only.
std::string valid_utf8(std::string_view text);

/// What a message to people may show of what others sent: one line of valid UTF-8 without control characters
/// and blanks at its end, cut at `bytes_max` of the original's bytes.
std::string one_line(std::string_view text, std::size_t bytes_max);

}  // namespace serin::base
