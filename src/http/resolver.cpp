#include "http/resolver.h"

#include <list>

#include "http/stream.h"

namespace serin::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;

namespace {
constexpr auto remembered = std::chrono::seconds(5);
constexpr std::size_t names_max = 1024;
}  // namespace

struct Resolver::Lookup {
  explicit Lookup(const base::Executor& executor) : resolver(executor) {}

  tcp::resolver resolver;
  bool done = false;
  base::MonoTime finished;
  boost::system::error_code error;
  Endpoints endpoints;
  std::list<std::shared_ptr<base::Wakeup>> waiters;
};

std::shared_ptr<Resolver::Lookup> Resolver::start(const std::string& host, const std::string& port) {
  const auto lookup = std::make_shared<Lookup>(executor_);
  lookup->resolver.async_resolve(
      host, port,
      [lookup, clock = clock_](boost::system::error_code error, tcp::resolver::results_type found) {
        lookup->done = true;
        lookup->finished = clock.now();
        lookup->error = error;
        for (const auto& entry : found) lookup->endpoints.push_back(entry.endpoint());
        for (const auto& waiter : lookup->waiters) waiter->notify();
        lookup->waiters.clear();
      });
  return lookup;
}

base::Task<base::Result<Endpoints>> Resolver::resolve(std::string host, std::string port) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    co_return Endpoints{tcp::endpoint(address, static_cast<std::uint16_t>(std::stoi(port)))};
  }
  const auto expired = [this](const Lookup& lookup) {
    return lookup.done && (lookup.error || clock_.now() - lookup.finished > remembered);
  };
  const std::string key = host + " " + port;
  if (lookups_.size() > names_max)
    std::erase_if(lookups_, [](const auto& item) { return item.second->done; });
  std::shared_ptr<Lookup>& slot = lookups_[key];
  if (!slot || expired(*slot)) slot = start(host, port);

  const std::shared_ptr<Lookup> lookup = slot;
  if (!lookup->done) {
    const auto wakeup = std::make_shared<base::Wakeup>(executor_);
    lookup->waiters.push_back(wakeup);
    co_await wakeup->wait();
  }
  if (lookup->error == asio::error::host_not_found || lookup->error == asio::error::no_data) {
    co_return base::fail(Errc::unavailable, "lookup " + host + ": no such host");
  }
  if (lookup->error) {
    co_return base::fail(Errc::unavailable, "lookup " + host + ": " + system_text(lookup->error));
  }
  co_return lookup->endpoints;
}

}  // namespace serin::http
