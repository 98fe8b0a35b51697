#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "local/mesh/registry.h"

namespace serin::local::mesh {

using Tcp = boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

class Wire;

/// Looks after all connections from one timer instead of one timer each: ends reads and writes whose deadline
/// has passed, and notices peers that hung up while we wait for somebody else.
class Watchdog {
 public:
  void sweep(base::MonoTime now);

 private:
  friend class Wire;
  std::list<Wire*> wires_;
};

/// A TCP connection with what has been read from it and not used yet. One reader and one writer at a time.
/// Expected failures are error codes; the end of the stream is asio::error::eof.
class Wire {
 public:
  Wire(Tcp::socket socket, base::Clock& clock, Watchdog& watchdog);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  /// Closes, and counts the end.
  ~Wire();

  base::Task<ErrorCode> connect(Tcp::endpoint to);
  /// Waits for more bytes behind data().
  base::Task<ErrorCode> fill();
  /// Writes everything. `bytes` must stay until it returns.
  base::Task<ErrorCode> write(std::string_view bytes);
  [[nodiscard]] std::string_view data() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes);

  /// Reads and writes pending at `time` end with operation_aborted, and timed_out() is true from then on.
  void set_deadline(base::MonoTime time) { deadline_ = time; }
  void clear_deadline() { deadline_ = base::MonoTime::max(); }
  [[nodiscard]] bool timed_out() const { return timed_out_; }
  /// While set: should the peer hang up, gone() becomes true and `waiting`'s pending operations end.
  void watch_departure(Wire* waiting) { waiting_ = waiting; }
  [[nodiscard]] bool gone() const { return gone_; }
  /// Whether the peer has closed, or sent what nobody asked for: no use for another request.
  [[nodiscard]] bool stale();

  /// From now on counts the connection here. `mirrored`: seen from the peer's side of the connection.
  void count(std::shared_ptr<TransportSeries> series, bool mirrored);
  /// Ends pending operations with operation_aborted.
  void cancel();
  void shutdown_send();
  /// Why the connection ends, for tcp_close_total. Only the first real reason counts.
  void note(ErrorCode reason);
  [[nodiscard]] Tcp::socket& socket() { return socket_; }

 private:
  friend class Watchdog;
  struct Tally {
    std::shared_ptr<TransportSeries> series;
    bool mirrored = false;
  };
  void make_room();
  void counted_read(std::size_t bytes);
  void counted_write(std::size_t bytes);
  bool departed();

  Tcp::socket socket_;
  base::Clock& clock_;
  Watchdog& watchdog_;
  std::list<Wire*>::iterator place_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  base::MonoTime deadline_ = base::MonoTime::max();
  bool timed_out_ = false, gone_ = false, ended_ = false;
  Wire* waiting_ = nullptr;
  std::vector<Tally> tallies_;
  std::string errno_name_;
};

}  // namespace serin::local::mesh
