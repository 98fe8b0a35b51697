#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>

#include "local/node/exec.h"
#include "local/node/node.h"

namespace serin::local {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;
using base::fail;
using base::Result;
using base::Task;

namespace {

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

class TcpStream final : public PortStream {
 public:
  explicit TcpStream(tcp::socket socket) : socket_(std::move(socket)) {}

  Task<Result<std::optional<std::string>>> read() override {
    std::string buffer(16384, '\0');
    const auto [error, n] = co_await socket_.async_read_some(asio::buffer(buffer), quietly);
    if (error == asio::error::eof) co_return std::nullopt;
    if (error) co_return fail(Errc::unavailable, error.message());
    buffer.resize(n);
    co_return std::move(buffer);
  }
  Task<Result<void>> write(std::string bytes) override {
    const auto [error, n] = co_await asio::async_write(socket_, asio::buffer(bytes), quietly);
    if (error) co_return fail(Errc::unavailable, error.message());
    co_return Result<void>();
  }
  Task<Result<void>> close_write() override {
    boost::system::error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    if (error) co_return fail(Errc::unavailable, error.message());
    co_return Result<void>();
  }

 private:
  tcp::socket socket_;
};

}  // namespace

Task<Result<std::unique_ptr<LogStream>>> Node::logs(ContainerRef container, LogOptions options) {
  const std::shared_ptr<PodWorker> worker = worker_of({container.ns, container.pod});
  Container* const found = worker ? worker->container(container.container) : nullptr;
  if (!found) {
    co_return fail(Errc::not_found, fmt::format("container \"{}\" in pod \"{}\" is not on this node",
                                                container.container, container.pod));
  }
  if (!options.previous) {
    if (found->log()) co_return found->log()->read(options);
    co_return fail(Errc::invalid, fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}",
                                              container.container, container.pod, found->state().reason));
  }
  const std::string path =
      fmt::format("{}/pods/{}/logs/{}/{}.log", options_.folder, kube::uid_of(worker->pod()),
                  container.container, found->state().restarts - 1);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    co_return fail(Errc::invalid, fmt::format("previous terminated container \"{}\" in pod \"{}\" not found",
                                              container.container, container.pod));
  }
  const auto log = std::make_shared<ContainerLog>(executor_, clock_, path);
  log->close();
  co_return log->read(options);
}

Task<Result<void>> Node::exec(ExecRequest request, ExecSession& session) {
  const std::shared_ptr<PodWorker> worker = worker_of({request.ns, request.pod});
  Container* const found = worker ? worker->container(request.container) : nullptr;
  const std::optional<Program> program = found ? found->program_beside() : std::nullopt;
  if (!program || !worker->host()) {
    co_return fail(Errc::not_found,
                   fmt::format("container not found (\"{}\"): it does not run", request.container));
  }
  Result<void> ran = co_await run_exec(*worker->host(), *program, std::move(request), session, clock_);
  co_return ran;
}

Task<Result<void>> Node::attach(ExecRequest request, ExecSession& session) {
  Result<std::unique_ptr<LogStream>> stream = co_await logs({request.ns, request.pod, request.container},
                                                            {.follow = true, .tail_lines = std::int64_t{0}});
  if (!stream) co_return fail(stream.error());
  for (;;) {
    const Result<std::optional<std::string>> piece = co_await (*stream)->next();
    if (!piece) co_return fail(piece.error());
    if (!*piece) break;
    const Result<void> written = co_await session.write(1, **piece);
    if (!written) co_return Result<void>();  // the user has gone
  }
  co_await session.finish(exec_success());
  co_return Result<void>();
}

Task<Result<std::unique_ptr<PortStream>>> Node::dial(std::string ns, std::string pod, std::uint16_t port) {
  const std::shared_ptr<PodWorker> worker = worker_of({ns, pod});
  if (!worker || !worker->host()) co_return fail(Errc::not_found, "pod \"" + pod + "\" does not run");
  Result<Fd> fd = co_await worker->host()->tcp_socket();
  if (!fd) co_return fail(fd.error());
  tcp::socket socket(executor_, tcp::v4(), fd->release());
  // A forwarded port is the pod's localhost, as kubectl has it; shared mode knows pods by address only.
  const std::string address = fabric_.isolated() ? "127.0.0.1" : worker->address();
  const auto [error] = co_await socket.async_connect({asio::ip::make_address(address), port}, quietly);
  if (error) {
    co_return fail(Errc::unavailable,
                   fmt::format("cannot connect to port {} of pod \"{}\": {}", port, pod, error.message()));
  }
  co_return std::make_unique<TcpStream>(std::move(socket));
}

}  // namespace serin::local
