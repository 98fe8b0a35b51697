// The cheapest application a proxy can have behind it: answers every request at once with a few bytes.
// bench_app ADDRESS PORT
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok";

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](auto error, std::size_t size) {
      if (!error) self->reply(size);
    });
  }

 private:
  /// Requests here have no body and come in one piece: an empty line ends each.
  void reply(std::size_t size) {
    const bool complete = std::string_view(buffer_, size).ends_with("\r\n\r\n");
    if (!complete) return read();
    asio::async_write(socket_, asio::buffer(answer), [self = shared_from_this()](auto error, std::size_t) {
      if (!error) self->read();
    });
  }

  tcp::socket socket_;
  char buffer_[4096];
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](auto error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket))->read();
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  asio::io_context context(1);
  const tcp::endpoint address(asio::ip::make_address(argv[1]),
                              static_cast<unsigned short>(std::atoi(argv[2])));
  tcp::acceptor acceptor(context, address);
  accept(acceptor);
  context.run();
}
