#include "local/streaming/spdy_frames.h"

#include <fmt/format.h>

#include "local/streaming/big_endian.h"

namespace serin::local {
namespace {

using base::Errc;
using base::fail;
using base::Result;

constexpr std::uint32_t control_bit = 0x8000'0000;
constexpr std::uint32_t version = 3;
constexpr std::uint32_t id_mask = 0x7fff'ffff;
constexpr std::uint8_t flag_fin = 1;
constexpr std::size_t head_size = 8;

enum Type : std::uint32_t {
  syn_stream = 1,
  syn_reply = 2,
  rst_stream = 3,
  settings = 4,
  ping = 6,
  go_away = 7,
  headers = 8,
  window_update = 9
};

/// The least length of a control frame's body.
std::size_t size_min(std::uint32_t type) {
  switch (type) {
    case syn_stream:
      return 10;
    case rst_stream:
    case go_away:
    case window_update:
      return 8;
    case syn_reply:
    case settings:
    case ping:
    case headers:
      return 4;
    default:
      return 0;
  }
}

std::string control_frame(Type type, std::uint8_t flags, std::string_view body) {
  std::string bytes;
  append_u32(bytes, control_bit | (version << 16) | type);
  append_u32(bytes, (std::uint32_t{flags} << 24) | static_cast<std::uint32_t>(body.size()));
  bytes += body;
  return bytes;
}

std::string words(std::initializer_list<std::uint32_t> values) {
  std::string bytes;
  for (const std::uint32_t value : values) append_u32(bytes, value);
  return bytes;
}

}  // namespace

Result<std::optional<SpdyFrame>> SpdyDecoder::next() {
  while (buffer_.size() >= head_size) {
    const std::uint32_t head = read_u32(buffer_);
    const std::uint32_t flags_and_size = read_u32(std::string_view(buffer_).substr(4));
    const std::size_t size = flags_and_size & 0xff'ffff;
    const bool fin = (flags_and_size >> 24) & flag_fin;
    if (size > frame_max)
      return fail(Errc::invalid, fmt::format("SPDY: a frame of {} bytes is too long", size));
    if (buffer_.size() < head_size + size) break;
    std::string body = buffer_.substr(head_size, size);
    buffer_.erase(0, head_size + size);
    if (!(head & control_bit)) return SpdyFrame(SpdyData{head, std::move(body), fin});
    Result<std::optional<SpdyFrame>> frame = control(head, fin, body);
    if (!frame || *frame) return frame;
  }
  return std::nullopt;
}

Result<std::optional<SpdyFrame>> SpdyDecoder::control(std::uint32_t head, bool fin, std::string_view body) {
  const std::uint32_t type = head & 0xffff;
  if (((head & ~control_bit) >> 16) != version)
    return fail(Errc::invalid, "SPDY: a frame of another version");
  if (body.size() < size_min(type)) {
    return fail(Errc::invalid, fmt::format("SPDY: a control frame of type {} is too short", type));
  }
  const std::uint32_t first = body.size() >= 4 ? read_u32(body) & id_mask : 0;
  const std::uint32_t second = body.size() >= 8 ? read_u32(body.substr(4)) : 0;
  switch (type) {
    case syn_stream: {
      Result<SpdyHeaders> names = headers_.unpack(body.substr(10));
      if (!names) return fail(names.error());
      return SpdyFrame(SpdySynStream{first, std::move(*names), fin});
    }
    case syn_reply:
    case headers: {  // unpacked in any case: all blocks of a connection are one zlib stream
      const Result<SpdyHeaders> names = headers_.unpack(body.substr(4));
      if (!names) return fail(names.error());
      if (type == headers) return std::nullopt;
      return SpdyFrame(SpdySynReply{first});
    }
    case rst_stream:
      return SpdyFrame(SpdyRstStream{first, second});
    case ping:
      return SpdyFrame(SpdyPing{read_u32(body)});
    case go_away:
      return SpdyFrame(SpdyGoAway{first, second});
    default:
      return std::nullopt;
  }
}

std::string SpdyEncoder::encode(const SpdyFrame& frame) {
  struct Encode {
    SpdyHeaderPacker& packer;
    std::string operator()(const SpdySynStream& f) const {
      std::string body = words({f.id, 0});
      append_big_endian(body, 0, 2);  // priority and slot
      body += packer.pack(f.headers);
      return control_frame(syn_stream, f.fin ? flag_fin : 0, body);
    }
    std::string operator()(const SpdySynReply& f) const {
      return control_frame(syn_reply, 0, words({f.id}) + packer.pack({}));
    }
    std::string operator()(const SpdyData& f) const {
      const std::uint32_t flags = f.fin ? flag_fin : 0;
      return words({f.id, (flags << 24) | static_cast<std::uint32_t>(f.bytes.size())}) + f.bytes;
    }
    std::string operator()(const SpdyRstStream& f) const {
      return control_frame(rst_stream, 0, words({f.id, f.status}));
    }
    std::string operator()(const SpdyPing& f) const { return control_frame(ping, 0, words({f.id})); }
    std::string operator()(const SpdyGoAway& f) const {
      return control_frame(go_away, 0, words({f.last_id, f.status}));
    }
  };
  return std::visit(Encode{headers_}, frame);
}

}  // namespace serin::local
