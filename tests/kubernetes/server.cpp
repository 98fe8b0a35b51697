#include "tests/kubernetes/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace serin::kubernetes_test {

namespace asio = boost::asio;
using base::Errc;
using base::fail;
using base::Result;

Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
  asio::io_context context;
  std::vector<asio::ip::tcp::acceptor> held;  // until all are chosen, so that no port is chosen twice
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    boost::system::error_code error;
    asio::ip::tcp::acceptor& acceptor = held.emplace_back(context);
    acceptor.open(asio::ip::tcp::v4(), error);
    if (!error) acceptor.bind({asio::ip::address_v4::loopback(), 0}, error);
    if (error) return fail(Errc::unavailable, "no free port on 127.0.0.1: " + error.message());
    ports.push_back(acceptor.local_endpoint().port());
  }
  return ports;
}

}  // namespace serin::kubernetes_test
