#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/json.h"
#include "base/result.h"
#include "local/node/fd.h"
#include "local/node/wire.h"

namespace serin::local {

/// The answer to a request.
struct Reply {
  base::Json body = base::Json::object();
  std::vector<Fd> fds;
};

/// Runs and reaps processes on request: the first process of a pod, and of the fabric. It obeys the messages
/// of one channel (see Message) and ends, with everything below it, when the channel is closed or it gets
/// SIGTERM. Operations: start (a Program, fds) -> pid; signal (pid, signal); kill (pid) with all it has
/// started; usage -> cpuNs, rssBytes; socket -> an unconnected TCP socket of this network. Event: exit (pid,
/// code or signal).
class Supervisor {
 public:
  /// Further operations; nullopt: none of that name.
  using Handler = std::function<std::optional<base::Result<Reply>>(std::string_view op, Message& request)>;

  Supervisor(Fd channel, Handler handler);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  /// Serves until the channel ends or SIGTERM comes; then nothing below this process lives.
  void run();
  /// Has the end of this child, made by the handler, reported like that of a started process.
  void adopt(pid_t child) { children_.insert(child); }
  [[nodiscard]] int channel() const { return channel_.get(); }

 private:
  void serve(Message request);
  base::Result<Reply> handle(std::string_view op, Message& request);
  base::Result<Reply> start(Message& request);
  base::Result<Reply> usage() const;
  void reap();
  void kill_below(pid_t root);
  void end_everything();

  Fd channel_, signals_;
  Handler handler_;
  std::set<pid_t> children_;
  std::int64_t past_cpu_ns_ = 0;  // of children that have ended
};

}  // namespace serin::local
