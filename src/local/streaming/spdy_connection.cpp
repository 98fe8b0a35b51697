#include "local/streaming/spdy_connection.h"

#include <algorithm>

namespace serin::local {

using base::Errc;
using base::Result;
using base::Task;

namespace {

constexpr std::size_t data_max = 64u << 10;
constexpr std::uint32_t refused_stream = 3;
constexpr std::uint32_t protocol_error = 1;

}  // namespace

SpdyConnection::SpdyConnection(base::Executor executor, http::Duplex& duplex)
    : executor_(executor), duplex_(duplex), writer_(executor, duplex), opened_any_(executor) {}

Task<void> SpdyConnection::run() {
  const Result<void> read = co_await read_frames();
  if (!read && read.error().code == Errc::invalid) co_await send(SpdyGoAway{0, protocol_error});
  break_off(read ? base::Error{Errc::unavailable, "the user has gone"} : read.error());
}

Task<Result<void>> SpdyConnection::read_frames() {
  while (true) {
    const Result<std::optional<std::string>> bytes = co_await duplex_.read();
    if (!bytes) co_return base::fail(bytes.error());
    if (!*bytes) co_return Result<void>{};
    decoder_.feed(**bytes);
    while (true) {
      Result<std::optional<SpdyFrame>> frame = decoder_.next();
      if (!frame) co_return base::fail(frame.error());
      if (!*frame) break;
      co_await receive(std::move(**frame));
    }
  }
}

Task<void> SpdyConnection::receive(SpdyFrame frame) {
  if (auto* syn = std::get_if<SpdySynStream>(&frame)) {
    co_await open(std::move(*syn));
  } else if (auto* data = std::get_if<SpdyData>(&frame)) {
    const auto found = streams_.find(data->id);
    if (found == streams_.end()) co_return;
    const std::shared_ptr<SpdyStream> stream = found->second;
    const bool fin = data->fin;
    co_await stream->inbox.push(std::move(data->bytes));
    if (fin) stream->inbox.end();
  } else if (const auto* reset = std::get_if<SpdyRstStream>(&frame)) {
    const auto found = streams_.find(reset->id);
    if (found != streams_.end())
      found->second->inbox.break_off({Errc::unavailable, "the user reset the stream"});
  } else if (const auto* ping = std::get_if<SpdyPing>(&frame)) {
    if (ping->id % 2 == 1) co_await send(*ping);  // an even one would answer ours
  }
}

Task<void> SpdyConnection::open(SpdySynStream frame) {
  if (streams_.size() >= streams_max || streams_.contains(frame.id)) {
    co_await send(SpdyRstStream{frame.id, refused_stream});
    co_return;
  }
  const auto stream = std::make_shared<SpdyStream>(frame.id, std::move(frame.headers), executor_);
  if (frame.fin) stream->inbox.end();
  streams_[frame.id] = stream;
  co_await send(SpdySynReply{frame.id});
  opened_.push_back(stream);
  opened_any_.notify();
}

Task<std::shared_ptr<SpdyStream>> SpdyConnection::accept() {
  while (opened_.empty() && !ended_) co_await opened_any_.wait();
  if (opened_.empty()) co_return nullptr;
  std::shared_ptr<SpdyStream> stream = std::move(opened_.front());
  opened_.pop_front();
  co_return stream;
}

Task<Result<void>> SpdyConnection::write(std::uint32_t id, std::string bytes, bool fin) {
  for (std::size_t at = 0; at < bytes.size() || fin; at += data_max) {
    std::string piece = bytes.substr(std::min(at, bytes.size()), data_max);
    const bool last = at + data_max >= bytes.size();
    std::string frame = encoder_.encode(SpdyData{id, std::move(piece), fin && last});
    const Result<void> written = co_await writer_.write(std::move(frame));
    if (!written || last) co_return written;
  }
  co_return Result<void>{};
}

/// Failures show at the next read.
Task<void> SpdyConnection::send(SpdyFrame frame) {
  std::string bytes = encoder_.encode(frame);
  co_await writer_.write(std::move(bytes));
}

void SpdyConnection::break_off(base::Error error) {
  ended_ = true;
  for (const auto& [id, stream] : streams_) stream->inbox.break_off(error);
  opened_any_.notify();
}

}  // namespace serin::local
