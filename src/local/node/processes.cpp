#include "local/node/processes.h"

#include <signal.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <list>
#include <map>
#include <optional>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using base::Wakeup;

namespace {

/// A value that arrives once, and those who wait for it.
template <class T>
class Arrival {
 public:
  explicit Arrival(base::Executor executor) : executor_(std::move(executor)) {}

  void set(T value) {
    value_.emplace(std::move(value));
    for (const auto& waiter : waiters_) waiter->notify();
  }
  [[nodiscard]] bool arrived() const { return value_.has_value(); }
  [[nodiscard]] T& value() { return *value_; }

  static Task<void> wait(std::shared_ptr<Arrival> self) {
    if (self->value_) co_return;
    const auto waiter = std::make_shared<Wakeup>(self->executor_);
    self->waiters_.push_back(waiter);
    co_await waiter->wait();
  }

 private:
  base::Executor executor_;
  std::optional<T> value_;
  std::list<std::shared_ptr<Wakeup>> waiters_;
};

/// A message, and the process it tells the start of: the exit event may be there before the caller resumes.
struct Received {
  Message message;
  std::shared_ptr<Process::State> process;
};
using Answer = Arrival<Result<Received>>;

base::Error gone() {
  return {Errc::unavailable, "the pod's supervisor, or the node agent, has ended"};
}

}  // namespace

// --- Process

struct Process::State {
  State(base::Executor executor, pid_t number)
      : pid(number), exit(std::make_shared<Arrival<ExitStatus>>(std::move(executor))) {}
  pid_t pid;
  std::shared_ptr<Arrival<ExitStatus>> exit;
};

pid_t Process::pid() const {
  return state_->pid;
}

bool Process::ended() const {
  return state_->exit->arrived();
}

Task<ExitStatus> Process::wait() {
  const std::shared_ptr<Arrival<ExitStatus>> exit = state_->exit;
  co_await Arrival<ExitStatus>::wait(exit);
  co_return exit->value();
}

// --- ProcessHost

struct ProcessHost::State : std::enable_shared_from_this<ProcessHost::State> {
  State(base::Executor e, Fd fd) : executor(e), socket(e, fd.release()) {}

  base::Executor executor;
  boost::asio::posix::stream_descriptor socket;
  std::int64_t last_id = 0;
  std::map<std::int64_t, std::shared_ptr<Answer>> calls;
  std::map<std::string, std::shared_ptr<Answer>> events;
  std::map<pid_t, std::shared_ptr<Process::State>> processes;
  bool ended = false;

  void listen() {
    socket.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](boost::system::error_code error) {
                        if (!error) self->receive();
                      });
  }

  void receive() {
    Result<std::optional<Message>> message = receive_message(socket.native_handle());
    // Told to be readable it may still have nothing.
    const bool nothing_yet = !message && message.error().code == Errc::timeout;
    if (!nothing_yet && (!message || !*message)) return end();
    if (!nothing_yet) dispatch(std::move(**message));
    listen();
  }

  void dispatch(Message message) {
    const std::string event = message.body["event"].str();
    const auto pid = static_cast<pid_t>(message.body["pid"].int_or(0));
    if (event == "exit") {
      const ExitStatus status{static_cast<int>(message.body["code"].int_or(0)),
                              static_cast<int>(message.body["signal"].int_or(0))};
      if (const auto node = processes.extract(pid)) node.mapped()->exit->set(status);
    } else if (!event.empty()) {
      event_named(event)->set(Received{std::move(message), nullptr});
    } else if (const auto node = calls.extract(message.body["id"].int_or(0))) {
      std::shared_ptr<Process::State> process;
      if (const auto started = static_cast<pid_t>(message.body.get("ok", "pid").int_or(0))) {
        process = std::make_shared<Process::State>(executor, started);
        processes[started] = process;
      }
      node.mapped()->set(Received{std::move(message), std::move(process)});
    }
  }

  std::shared_ptr<Answer> event_named(const std::string& name) {
    auto& event = events[name];
    if (!event) event = std::make_shared<Answer>(executor);
    return event;
  }

  void end() {
    ended = true;
    for (auto& [id, call] : std::exchange(calls, {})) call->set(fail(gone()));
    for (auto& [pid, process] : std::exchange(processes, {})) process->exit->set({0, SIGKILL});
    for (auto& [name, event] : events) {
      if (!event->arrived()) event->set(fail(gone()));
    }
  }
};

ProcessHost::ProcessHost(base::Executor executor, Fd channel)
    : state_(std::make_shared<State>(std::move(executor), std::move(channel))) {
  state_->listen();
}

ProcessHost::~ProcessHost() {
  state_->socket.close();
  state_->end();
}

namespace {

/// One request and its answer; an answer that is an error is one.
Task<Result<Received>> request(std::shared_ptr<ProcessHost::State> state, Json request,
                               std::vector<int> fds) {
  if (state->ended) co_return fail(gone());
  const std::int64_t id = ++state->last_id;
  const auto answer = std::make_shared<Answer>(state->executor);
  state->calls.emplace(id, answer);
  request.set("id") = id;
  if (const Result<void> sent = send_message(state->socket.native_handle(), request, fds); !sent) {
    state->calls.erase(id);
    co_return fail(sent.error());
  }
  co_await Answer::wait(answer);
  Result<Received>& received = answer->value();
  if (!received) co_return fail(received.error());
  const Json& body = received->message.body;
  if (body.contains("error")) {
    co_return fail(static_cast<Errc>(body["code"].int_or(0)), body["error"].str());
  }
  co_return std::move(*received);
}

}  // namespace

Task<Result<Message>> ProcessHost::call(Json body, std::vector<int> fds) {
  Result<Received> received = co_await request(state_, std::move(body), std::move(fds));
  if (!received) co_return fail(received.error());
  co_return std::move(received->message);
}

Task<Result<Json>> ProcessHost::first_event(std::string name) {
  const std::shared_ptr<Answer> event = state_->event_named(name);
  if (state_->ended && !event->arrived()) co_return fail(gone());
  co_await Answer::wait(event);
  if (!event->value()) co_return fail(event->value().error());
  co_return event->value()->message.body;
}

Task<Result<Process>> ProcessHost::start(Program program, std::vector<int> fds) {
  Json body = Json::object({{"op", "start"}, {"program", program.to_json()}});
  Result<Received> received = co_await request(state_, std::move(body), std::move(fds));
  if (!received) co_return fail(received.error());
  if (!received->process) co_return fail(Errc::internal, "the node agent names no process");
  co_return Process(std::move(received->process));
}

Task<Result<void>> ProcessHost::signal(pid_t pid, int number) {
  const Result<Message> answer =
      co_await call(Json::object({{"op", "signal"}, {"pid", pid}, {"signal", number}}), {});
  if (!answer) co_return fail(answer.error());
  co_return Result<void>();
}

Task<Result<void>> ProcessHost::kill(pid_t pid) {
  const Result<Message> answer = co_await call(Json::object({{"op", "kill"}, {"pid", pid}}), {});
  if (!answer) co_return fail(answer.error());
  co_return Result<void>();
}

Task<Result<Usage>> ProcessHost::usage() {
  const Result<Message> answer = co_await call(Json::object({{"op", "usage"}}), {});
  if (!answer) co_return fail(answer.error());
  const Json& ok = answer->body["ok"];
  co_return Usage{ok["cpuNs"].int_or(0), ok["rssBytes"].int_or(0)};
}

Task<Result<Fd>> ProcessHost::tcp_socket() {
  Result<Message> answer = co_await call(Json::object({{"op", "socket"}}), {});
  if (!answer) co_return fail(answer.error());
  if (answer->fds.empty()) co_return fail(Errc::internal, "the node agent sent no socket");
  co_return std::move(answer->fds.front());
}

}  // namespace serin::local
