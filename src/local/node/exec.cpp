#include "local/node/exec.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace serin::local {

namespace asio = boost::asio;
using base::fail;
using base::Result;
using base::Task;
using Descriptor = asio::posix::stream_descriptor;
using namespace std::chrono_literals;

namespace {

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

/// The session's side of the command's streams.
struct Streams {
  std::optional<Descriptor> input, output, errors;
  std::vector<Fd> programs;  ///< what the command gets as 0, 1 and 2
};

Result<Streams> terminal_streams(const base::Executor& executor) {
  Result<FdPair> terminal = make_terminal();
  if (!terminal) return fail(terminal.error());
  Streams streams;
  // Reading and writing have an object each: a terminal is one file, but its two ways close separately.
  streams.input.emplace(executor, ::fcntl(terminal->first.get(), F_DUPFD_CLOEXEC, 0));
  streams.output.emplace(executor, terminal->first.release());
  for (int i = 0; i < 3; ++i) {
    streams.programs.emplace_back(::fcntl(terminal->second.get(), F_DUPFD_CLOEXEC, 0));
  }
  return streams;
}

Result<Streams> pipe_streams(const base::Executor& executor, const ExecRequest& request) {
  Streams streams;
  Result<FdPair> input = make_pipe(), output = make_pipe(), errors = make_pipe();
  if (!input || !output || !errors) return fail(base::Errc::unavailable, "out of file descriptors");
  // What nobody wants is closed: the command reads an end at once, and its output goes nowhere.
  if (request.stdin_wanted) streams.input.emplace(executor, input->second.release());
  streams.output.emplace(executor, output->first.release());
  streams.errors.emplace(executor, errors->first.release());
  streams.programs.push_back(std::move(input->first));
  streams.programs.push_back(std::move(output->second));
  streams.programs.push_back(std::move(errors->second));
  return streams;
}

Task<void> copy_input(ExecSession& session, std::optional<Descriptor>& input, bool terminal) {
  for (;;) {
    const Result<std::optional<std::string>> bytes = co_await session.read_stdin();
    if (!bytes || !*bytes) break;
    const auto [error, n] = co_await asio::async_write(*input, asio::buffer(**bytes), quietly);
    if (error) break;
  }
  if (!terminal) input.reset();  // the command sees the end of its input
}

/// Until the command has closed the stream; true in `user_gone` if the session cannot take it any more.
Task<void> copy_output(ExecSession& session, Descriptor& output, int fd, base::Wakeup* user_gone) {
  for (;;) {
    std::string buffer(16384, '\0');
    const auto [error, n] = co_await output.async_read_some(asio::buffer(buffer), quietly);
    if (error) co_return;
    buffer.resize(n);
    const Result<void> written = co_await session.write(fd, std::move(buffer));
    if (!written) {
      user_gone->notify();
      co_return;
    }
  }
}

Task<void> copy_size(ExecSession& session, int terminal) {
  for (;;) {
    const std::optional<TerminalSize> size = co_await session.resize();
    if (!size) co_return;
    const winsize wanted{size->height, size->width, 0, 0};
    ::ioctl(terminal, TIOCSWINSZ, &wanted);
  }
}

Task<void> kill_when_user_goes(base::Wakeup& user_gone, ProcessHost& pod, pid_t pid) {
  co_await user_gone.wait();
  const Result<void> killed = co_await pod.kill(pid);
  static_cast<void>(killed);  // it may have ended by itself
}

}  // namespace

Task<Result<void>> run_exec(ProcessHost& pod, Program program, ExecRequest request, ExecSession& session,
                            base::Clock& clock) {
  const base::Executor executor = co_await asio::this_coro::executor;
  program.argv = request.command;
  program.terminal = request.tty;
  if (request.tty) program.env.push_back("TERM=xterm");
  Result<Streams> streams = request.tty ? terminal_streams(executor) : pipe_streams(executor, request);
  if (!streams) co_return fail(streams.error());
  std::vector<int> fds;
  for (const Fd& fd : streams->programs) fds.push_back(fd.get());
  Result<Process> process = co_await pod.start(std::move(program), fds);
  if (!process) co_return fail(process.error());
  streams->programs.clear();

  base::Wakeup user_gone(executor);
  base::TaskGroup inputs(executor), outputs(executor);
  outputs.spawn(copy_output(session, *streams->output, 1, &user_gone));
  if (streams->errors) outputs.spawn(copy_output(session, *streams->errors, 2, &user_gone));
  if (streams->input && request.stdin_wanted) {
    inputs.spawn(copy_input(session, streams->input, request.tty));
  }
  if (request.tty) inputs.spawn(copy_size(session, streams->output->native_handle()));
  inputs.spawn(kill_when_user_goes(user_gone, pod, process->pid()));
  std::exception_ptr cancelled;
  ExitStatus status;
  try {
    status = co_await process->wait();
    co_await base::run_until(clock, clock.now() + 1s, outputs.join());
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  inputs.cancel();
  outputs.cancel();
  co_await inputs.join();
  co_await outputs.join();
  if (cancelled) {
    const Result<void> killed = co_await pod.kill(process->pid());
    static_cast<void>(killed);
    std::rethrow_exception(cancelled);
  }
  const int code = status.exit_code();
  const Result<void> finished = co_await session.finish(code == 0 ? exec_success() : exec_exit_code(code));
  static_cast<void>(finished);  // a user who has gone needs no status
  co_return Result<void>();
}

}  // namespace serin::local
