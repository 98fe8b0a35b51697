#include <algorithm>
#include <limits>

#include "local/mesh/http_head.h"

namespace serin::local::mesh {

namespace {

constexpr std::size_t overhead_max = 64u << 10;
constexpr std::uint64_t chunk_max = std::numeric_limits<std::uint64_t>::max() >> 4;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

BodyFraming::BodyFraming(BodyKind kind, std::uint64_t length)
    : kind_(kind), done_(kind == BodyKind::none || (kind == BodyKind::length && length == 0)), left_(length) {
  if (kind == BodyKind::chunked) left_ = 0;
}

std::expected<std::size_t, std::string> BodyFraming::take(std::string_view bytes) {
  if (done_) return 0;
  if (kind_ == BodyKind::until_close) return bytes.size();
  if (kind_ == BodyKind::length) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    left_ -= taken;
    done_ = left_ == 0;
    return taken;
  }
  std::size_t taken = 0;
  while (taken < bytes.size() && !done_) {
    if (state_ == Chunk::data) {
      const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - taken));
      taken += piece;
      left_ -= piece;
      if (left_ == 0) state_ = Chunk::data_cr;
      continue;
    }
    if (const auto stepped = step(bytes[taken]); !stepped) return std::unexpected(stepped.error());
    ++taken;
  }
  return taken;
}

std::expected<void, std::string> BodyFraming::step(char c) {
  const auto malformed = [] { return std::unexpected(std::string("malformed chunked body")); };
  switch (state_) {
    case Chunk::size:
      if (const int digit = hex_digit(c); digit >= 0) {
        if (left_ > chunk_max || ++digits_ > 16) return malformed();
        left_ = left_ * 16 + static_cast<unsigned>(digit);
        return {};
      }
      if (digits_ == 0) return malformed();
      if (c == '\r') {
        state_ = Chunk::size_lf;
        return {};
      }
      if (c != ';' && c != ' ' && c != '\t') return malformed();
      state_ = Chunk::extension;
      return {};
    case Chunk::extension:
      if (++overhead_ > overhead_max || c == '\n') return malformed();
      if (c == '\r') state_ = Chunk::size_lf;
      return {};
    case Chunk::size_lf:
      if (c != '\n') return malformed();
      digits_ = 0;
      state_ = left_ == 0 ? Chunk::trailer_start : Chunk::data;
      return {};
    case Chunk::data:
      return malformed();  // take() never steps through data
    case Chunk::data_cr:
      state_ = Chunk::data_lf;
      if (c != '\r') return malformed();
      return {};
    case Chunk::data_lf:
      state_ = Chunk::size;
      if (c != '\n') return malformed();
      return {};
    case Chunk::trailer_start:
      state_ = c == '\r' ? Chunk::last_lf : Chunk::trailer;
      if (c == '\n') return malformed();
      return {};
    case Chunk::trailer:
      if (++overhead_ > overhead_max) return malformed();
      if (c == '\n') state_ = Chunk::trailer_start;
      return {};
    case Chunk::last_lf:
      if (c != '\n') return malformed();
      done_ = true;
      return {};
  }
  return malformed();
}

}  // namespace serin::local::mesh
