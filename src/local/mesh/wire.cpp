#include "local/mesh/wire.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

namespace serin::local::mesh {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t buffer_start = 8u << 10, buffer_max = 128u << 10;

}  // namespace

void Watchdog::sweep(base::MonoTime now) {
  for (Wire* wire : wires_) {
    if (now >= wire->deadline_) {
      wire->deadline_ = base::MonoTime::max();
      wire->timed_out_ = true;
      wire->cancel();
    }
    if (wire->waiting_ && !wire->gone_ && wire->departed()) {
      wire->gone_ = true;
      wire->waiting_->cancel();
    }
  }
}

Wire::Wire(Tcp::socket socket, base::Clock& clock, Watchdog& watchdog)
    : socket_(std::move(socket)),
      clock_(clock),
      watchdog_(watchdog),
      place_(watchdog.wires_.insert(watchdog.wires_.end(), this)) {
  ErrorCode ignored;
  if (!socket_.is_open()) return;
  socket_.non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);
}

Wire::~Wire() {
  watchdog_.wires_.erase(place_);
  for (const Tally& each : tallies_) each.series->closed(errno_name_, clock_.now());
}

base::Task<ErrorCode> Wire::connect(Tcp::endpoint to) {
  const auto [error] = co_await socket_.async_connect(to, as_result);
  if (error) co_return error;
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);
  co_return ErrorCode();
}

void Wire::make_room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ < buffer_.size()) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // A read that filled the buffer announces more: larger pieces are cheaper.
  if (end_ == buffer_.size() || end_ > buffer_.size() / 2) {
    buffer_.resize(std::clamp(buffer_.size() * 2, buffer_start, buffer_max));
  }
}

base::Task<ErrorCode> Wire::fill() {
  make_room();
  if (end_ == buffer_.size()) co_return ErrorCode(asio::error::no_buffer_space);
  if (ended_) co_return ErrorCode(asio::error::eof);  // the socket would not say it a second time
  const auto space = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
  const auto [error, bytes] = co_await socket_.async_read_some(space, as_result);
  if (error) {
    ended_ = error == asio::error::eof;
    note(error);
    co_return error;
  }
  end_ += bytes;
  counted_read(bytes);
  if (end_ == buffer_.size() && buffer_.size() < buffer_max && begin_ == 0) {
    buffer_.resize(buffer_.size() * 2);
  }
  co_return ErrorCode();
}

base::Task<ErrorCode> Wire::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ErrorCode error;
    // Mostly there is room in the socket: then no turn of the loop is needed.
    const std::size_t sent = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    if (error == asio::error::would_block) {
      const auto [waited] = co_await socket_.async_wait(Tcp::socket::wait_write, as_result);
      error = waited;
    }
    if (error) {
      note(error);
      co_return error;
    }
    counted_write(sent);
    bytes.remove_prefix(sent);
  }
  co_return ErrorCode();
}

void Wire::consume(std::size_t bytes) {
  begin_ += std::min(bytes, end_ - begin_);
}

bool Wire::departed() {
  char byte = 0;
  const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool Wire::stale() {
  char byte = 0;
  const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return begin_ != end_ || got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void Wire::count(std::shared_ptr<TransportSeries> series, bool mirrored) {
  series->opened(clock_.now());
  tallies_.push_back({std::move(series), mirrored});
}

void Wire::counted_read(std::size_t bytes) {
  for (const Tally& each : tallies_) each.mirrored ? each.series->written(bytes) : each.series->read(bytes);
}

void Wire::counted_write(std::size_t bytes) {
  for (const Tally& each : tallies_) each.mirrored ? each.series->read(bytes) : each.series->written(bytes);
}

void Wire::cancel() {
  ErrorCode ignored;
  socket_.cancel(ignored);
}

void Wire::shutdown_send() {
  ErrorCode ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Wire::note(ErrorCode reason) {
  const bool own = reason == asio::error::eof || reason == asio::error::operation_aborted;
  if (own || !errno_name_.empty()) return;
  const char* name = strerrorname_np(reason.value());
  if (name) errno_name_ = name;
}

}  // namespace serin::local::mesh
