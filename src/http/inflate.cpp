#include "http/inflate.h"

#include <zlib.h>

#include <array>
#include <new>

namespace serin::http {

struct Inflater::State {
  z_stream stream{};
  bool complete = false;
};

Inflater::Inflater() : state_(std::make_unique<State>()) {
  constexpr int gzip_only = 16;  // added to the window's size (zlib manual, inflateInit2)
  if (inflateInit2(&state_->stream, gzip_only + MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() {
  inflateEnd(&state_->stream);
}

base::Result<std::string> Inflater::feed(std::string_view bytes, std::size_t max) {
  z_stream& stream = state_->stream;
  std::string decoded;
  std::array<char, 16384> piece;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib only reads it
  stream.avail_in = static_cast<uInt>(bytes.size());
  do {
    if (state_->complete) {  // another member follows (RFC 1952 §2.2)
      if (stream.avail_in == 0) break;
      inflateReset(&stream);
      state_->complete = false;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    const int outcome = inflate(&stream, Z_SYNC_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
      return base::fail(base::Errc::internal, "gzip: invalid data in the answer");
    }
    decoded.append(piece.data(), piece.size() - stream.avail_out);
    if (decoded.size() > max) return base::fail(base::Errc::rejected, "the answer's body is too large");
    state_->complete = outcome == Z_STREAM_END;
  } while (stream.avail_in > 0 || stream.avail_out == 0);
  return decoded;
}

bool Inflater::complete() const {
  return state_->complete;
}

}  // namespace serin::http
