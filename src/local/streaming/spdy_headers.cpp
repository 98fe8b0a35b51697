#include "local/streaming/spdy_headers.h"

#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "local/streaming/big_endian.h"

namespace serin::local {
namespace {

using base::Errc;
using base::fail;
using base::Result;

/// The dictionary of SPDY/3 §2.6.10.1, a constant of the protocol: these words, each with its length in four
/// bytes, and then the text below. zlib knows it by its checksum e3c6a7c2.
constexpr std::string_view dictionary_words[] = {"options",
                                                 "head",
                                                 "post",
                                                 "put",
                                                 "delete",
                                                 "trace",
                                                 "accept",
                                                 "accept-charset",
                                                 "accept-encoding",
                                                 "accept-language",
                                                 "accept-ranges",
                                                 "age",
                                                 "allow",
                                                 "authorization",
                                                 "cache-control",
                                                 "connection",
                                                 "content-base",
                                                 "content-encoding",
                                                 "content-language",
                                                 "content-length",
                                                 "content-location",
                                                 "content-md5",
                                                 "content-range",
                                                 "content-type",
                                                 "date",
                                                 "etag",
                                                 "expect",
                                                 "expires",
                                                 "from",
                                                 "host",
                                                 "if-match",
                                                 "if-modified-since",
                                                 "if-none-match",
                                                 "if-range",
                                                 "if-unmodified-since",
                                                 "last-modified",
                                                 "location",
                                                 "max-forwards",
                                                 "pragma",
                                                 "proxy-authenticate",
                                                 "proxy-authorization",
                                                 "range",
                                                 "referer",
                                                 "retry-after",
                                                 "server",
                                                 "te",
                                                 "trailer",
                                                 "transfer-encoding",
                                                 "upgrade",
                                                 "user-agent",
                                                 "vary",
                                                 "via",
                                                 "warning",
                                                 "www-authenticate",
                                                 "method",
                                                 "get",
                                                 "status",
                                                 "200 OK",
                                                 "version",
                                                 "HTTP/1.1",
                                                 "url",
                                                 "public",
                                                 "set-cookie",
                                                 "keep-alive",
                                                 "origin"};
constexpr std::string_view dictionary_text =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
    "Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar "
    "Apr "
    "May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, "
    "GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

std::string make_dictionary() {
  std::string dictionary;
  for (const std::string_view word : dictionary_words) {
    append_u32(dictionary, static_cast<std::uint32_t>(word.size()));
    dictionary += word;
  }
  dictionary += dictionary_text;
  return dictionary;
}

Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib's interface lacks const
}

Result<SpdyHeaders> parse_block(std::string_view block) {
  const auto cut_off = [] { return fail(Errc::invalid, "SPDY: a header block is cut off"); };
  const auto take = [&block](std::string_view& into) {
    if (block.size() < 4) return false;
    const std::uint32_t size = read_u32(block);
    if (size > block.size() - 4) return false;
    into = block.substr(4, size);
    block.remove_prefix(4 + size);
    return true;
  };
  if (block.size() < 4) return cut_off();
  const std::uint32_t count = read_u32(block);
  block.remove_prefix(4);
  if (count > block.size() / 8) return cut_off();
  SpdyHeaders headers;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string_view name, value;
    if (!take(name) || !take(value)) return cut_off();
    headers.emplace_back(name, value);
  }
  return headers;
}

}  // namespace

std::string_view find_header(const SpdyHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

struct SpdyHeaderPacker::Stream : z_stream {};
struct SpdyHeaderUnpacker::Stream : z_stream {
  std::string dictionary = make_dictionary();
};

SpdyHeaderPacker::SpdyHeaderPacker() : stream_(std::make_unique<Stream>()) {
  const std::string dictionary = make_dictionary();
  if (deflateInit(stream_.get(), Z_DEFAULT_COMPRESSION) != Z_OK) std::abort();  // no memory
  deflateSetDictionary(stream_.get(), bytes_of(dictionary), static_cast<uInt>(dictionary.size()));
}

SpdyHeaderPacker::~SpdyHeaderPacker() {
  deflateEnd(stream_.get());
}

std::string SpdyHeaderPacker::pack(const SpdyHeaders& headers) {
  std::string block;
  append_u32(block, static_cast<std::uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    for (const std::string& text : {name, value}) {
      append_u32(block, static_cast<std::uint32_t>(text.size()));
      block += text;
    }
  }
  std::string packed;
  std::array<Bytef, 1024> piece;
  stream_->next_in = bytes_of(block);
  stream_->avail_in = static_cast<uInt>(block.size());
  do {
    stream_->next_out = piece.data();
    stream_->avail_out = piece.size();
    deflate(stream_.get(), Z_SYNC_FLUSH);
    packed.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream_->avail_out);
  } while (stream_->avail_out == 0);
  return packed;
}

SpdyHeaderUnpacker::SpdyHeaderUnpacker() : stream_(std::make_unique<Stream>()) {
  if (inflateInit(stream_.get()) != Z_OK) std::abort();  // no memory
}

SpdyHeaderUnpacker::~SpdyHeaderUnpacker() {
  inflateEnd(stream_.get());
}

base::Result<SpdyHeaders> SpdyHeaderUnpacker::unpack(std::string_view block) {
  std::string plain;
  std::array<Bytef, 4096> piece;
  stream_->next_in = bytes_of(block);
  stream_->avail_in = static_cast<uInt>(block.size());
  do {
    stream_->next_out = piece.data();
    stream_->avail_out = piece.size();
    int status = inflate(stream_.get(), Z_SYNC_FLUSH);
    if (status == Z_NEED_DICT) {
      status = inflateSetDictionary(stream_.get(), bytes_of(stream_->dictionary),
                                    static_cast<uInt>(stream_->dictionary.size()));
      if (status == Z_OK) continue;
    }
    // Z_BUF_ERROR: nothing more to give at the moment.
    if (status != Z_OK && status != Z_BUF_ERROR)
      return fail(Errc::invalid, "SPDY: a header block is no zlib data");
    plain.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream_->avail_out);
    if (plain.size() > block_max) return fail(Errc::invalid, "SPDY: a header block is too long");
  } while (stream_->avail_in > 0 || stream_->avail_out == 0);
  return parse_block(plain);
}

}  // namespace serin::local
