#include "local/node/handlers.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <charconv>

namespace serin::local {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;

namespace {

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t output_max = 10 * 1024;  // as much as the kubelet keeps of a probe's output

/// Failures come back as error codes, but cancellation travels as an exception.
void throw_if_cancelled(boost::system::error_code error) {
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
}

Task<Result<tcp::socket>> connect(ProcessHost* network, std::string address, std::uint16_t port) {
  const base::Executor executor = co_await asio::this_coro::executor;
  Result<Fd> fd = co_await network->tcp_socket();
  if (!fd) co_return fail(fd.error());
  tcp::socket socket(executor, tcp::v4(), fd->release());
  const tcp::endpoint endpoint(asio::ip::make_address(address), port);
  const auto [error] = co_await socket.async_connect(endpoint, quietly);
  throw_if_cancelled(error);
  if (error) {
    co_return fail(
        Errc::unavailable,
        fmt::format("dial tcp {}:{}: connect: {}", address, port,
                    error == asio::error::connection_refused ? "connection refused" : error.message()));
  }
  co_return std::move(socket);
}

std::string request_text(const Json& get, const std::string& host) {
  std::string headers, name = host;
  bool has_agent = false;
  for (const Json& header : get["httpHeaders"].items()) {
    if (header["name"].str() == "Host") {
      name = header["value"].str();
      continue;
    }
    has_agent |= header["name"].str() == "User-Agent";
    headers += fmt::format("{}: {}\r\n", header["name"].str(), header["value"].str());
  }
  if (!has_agent) headers += "User-Agent: kube-probe/1.30\r\n";
  std::string path = get["path"].str_or("/");
  if (!path.starts_with('/')) path.insert(0, "/");
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n{}\r\n", path, name,
                     headers);
}

/// The status of "HTTP/1.1 200 OK"; 0 if it is no such line.
int status_in(std::string_view line) {
  int status = 0;
  if (!line.starts_with("HTTP/1.") || line.size() < 12) return 0;
  std::from_chars(line.data() + 9, line.data() + 12, status);
  return status;
}

Task<Result<int>> http_status(tcp::socket& socket, std::string request) {
  const auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(request), quietly);
  throw_if_cancelled(write_error);
  std::string answer;
  while (answer.find("\r\n") == answer.npos && answer.size() < 8192) {
    char buffer[1024];
    const auto [error, n] = co_await socket.async_read_some(asio::buffer(buffer), quietly);
    throw_if_cancelled(error);
    if (error) break;
    answer.append(buffer, n);
  }
  if (const int status = status_in(answer)) co_return status;
  co_return fail(Errc::unavailable, answer.empty() ? "EOF" : "malformed HTTP response");
}

Task<Result<void>> http_get(HandlerTarget target, Json get) {
  const std::optional<std::uint16_t> port = port_of(target.container, get["port"]);
  if (!port) co_return fail(Errc::invalid, "the container has no port named " + get["port"].str());
  const std::string scheme = get["scheme"].str_or("HTTP");
  if (scheme != "HTTP") co_return fail(Errc::invalid, "httpGet with scheme HTTPS is not supported here");
  const std::string address = get["host"].str().empty() ? target.address : get["host"].str();
  const std::string host = fmt::format("{}:{}", address, *port);
  const std::string url = fmt::format("Get \"http://{}{}\"", host, get["path"].str_or("/"));
  Result<tcp::socket> socket = co_await connect(target.network, address, *port);
  if (!socket) co_return fail(socket.error().within(url));
  const Result<int> status = co_await http_status(*socket, request_text(get, host));
  if (!status) co_return fail(status.error().within(url));
  if (*status >= 200 && *status < 400) co_return Result<void>();
  co_return fail(Errc::rejected, fmt::format("HTTP probe failed with statuscode: {}", *status));
}

Task<Result<void>> tcp_connect(HandlerTarget target, Json tcp_socket) {
  const std::optional<std::uint16_t> port = port_of(target.container, tcp_socket["port"]);
  if (!port) co_return fail(Errc::invalid, "the container has no port named " + tcp_socket["port"].str());
  const std::string address = tcp_socket["host"].str().empty() ? target.address : tcp_socket["host"].str();
  const Result<tcp::socket> socket = co_await connect(target.network, address, *port);
  if (!socket) co_return fail(socket.error());
  co_return Result<void>();
}

Task<std::string> read_output(Fd end) {
  const base::Executor executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor pipe(executor, end.release());
  std::string output;
  for (;;) {
    char buffer[4096];
    const auto [error, n] = co_await pipe.async_read_some(asio::buffer(buffer), quietly);
    throw_if_cancelled(error);
    if (error) co_return output;
    if (output.size() < output_max) output.append(buffer, n);
  }
}

Task<Result<void>> wait_for_command(Process process, Fd output_end) {
  const std::string output = co_await read_output(std::move(output_end));
  const ExitStatus status = co_await process.wait();
  if (status.exit_code() == 0) co_return Result<void>();
  co_return fail(Errc::rejected,
                 output.empty() ? fmt::format("command exited with {}", status.exit_code()) : output);
}

Task<Result<void>> run_command(HandlerTarget target, Json exec, base::Duration timeout) {
  target.program.argv.clear();
  for (const Json& word : exec["command"].items()) {
    target.program.argv.push_back(target.loopback.empty() ? word.str()
                                                          : with_loopback(word.str(), target.loopback));
  }
  Result<FdPair> pipe = make_pipe();
  if (!pipe) co_return fail(pipe.error());
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int out = pipe->second.get();
  const std::vector<int> fds{null.get(), out, out};
  const Result<Process> process = co_await target.pod->start(std::move(target.program), fds);
  if (!process) co_return fail(process.error());
  pipe->second.reset();
  const std::string late = fmt::format("command timed out after {}", base::format_duration(timeout));
  Result<void> ended = co_await base::with_deadline<void>(
      *target.clock, target.clock->now() + timeout, wait_for_command(*process, std::move(pipe->first)), late);
  if (!ended && ended.error().code == Errc::timeout) {
    const Result<void> killed = co_await target.pod->kill(process->pid());
    static_cast<void>(killed);  // it may have ended by itself just now
  }
  co_return ended;
}

}  // namespace

std::string with_loopback(std::string word, std::string_view address) {
  const auto is_part_of_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  };
  for (const std::string_view host : {"localhost", "127.0.0.1"}) {
    for (std::size_t at = 0; (at = word.find(host, at)) != word.npos;) {
      const std::size_t end = at + host.size();
      const bool whole =
          (at == 0 || !is_part_of_name(word[at - 1])) && (end == word.size() || !is_part_of_name(word[end]));
      if (whole) word.replace(at, host.size(), address);
      at += whole ? address.size() : host.size();
    }
  }
  return word;
}

std::optional<std::uint16_t> port_of(const Json& container, const Json& port) {
  if (const auto number = port.as_int()) return static_cast<std::uint16_t>(*number);
  for (const Json& named : container["ports"].items()) {
    if (named["name"].str() == port.str()) {
      return static_cast<std::uint16_t>(named["containerPort"].int_or(0));
    }
  }
  std::uint16_t number = 0;
  const std::string& text = port.str();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Task<Result<void>> run_handler(HandlerTarget target, Json handler, base::Duration timeout) {
  if (handler.contains("exec")) {
    Result<void> ended = co_await run_command(std::move(target), handler["exec"], timeout);
    co_return ended;
  }
  base::Clock& clock = *target.clock;
  if (handler.contains("sleep")) {
    co_await clock.sleep_for(std::chrono::seconds(handler.get("sleep", "seconds").int_or(0)));
    co_return Result<void>();
  }
  const bool http = handler.contains("httpGet");
  if (!http && !handler.contains("tcpSocket")) {
    co_return fail(Errc::invalid, "only httpGet, tcpSocket, exec and sleep are supported here");
  }
  Task<Result<void>> task = http ? http_get(std::move(target), handler["httpGet"])
                                 : tcp_connect(std::move(target), handler["tcpSocket"]);
  Result<void> ended = co_await base::with_deadline<void>(
      clock, clock.now() + timeout, std::move(task),
      "context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
  co_return ended;
}

bool ProbeState::add(bool success) {
  successes_ = success ? successes_ + 1 : 0;
  failures_ = success ? 0 : failures_ + 1;
  const bool before = ok_;
  if (successes_ >= success_threshold_) ok_ = true;
  if (failures_ >= failure_threshold_) ok_ = false;
  return before != ok_;
}

}  // namespace serin::local
