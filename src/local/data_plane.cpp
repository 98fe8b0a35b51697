#include "local/data_plane.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "kube/backoff.h"

namespace serin::local {

using base::fail;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

DataPlane::DataPlane(std::filesystem::path program, std::filesystem::path log_file, Fabric& fabric,
                     kube::Api& api, base::Clock& clock, base::Random& random, base::Logger log,
                     base::Executor executor)
    : program_(std::move(program)),
      log_file_(std::move(log_file)),
      fabric_(fabric),
      clock_(clock),
      random_(random),
      log_(log.with("component", "mesh")),
      controller_(api, clock, random, log_, std::move(executor)) {}

Result<std::unique_ptr<DataPlane>> DataPlane::make(std::filesystem::path program,
                                                   std::filesystem::path log_file, Fabric& fabric,
                                                   kube::Api& api, base::Clock& clock, base::Random& random,
                                                   base::Logger log, base::Executor executor) {
  std::unique_ptr<DataPlane> plane(new DataPlane(std::move(program), std::move(log_file), fabric, api, clock,
                                                 random, std::move(log), std::move(executor)));
  for (LoopbackListener* listener : {&plane->metrics_, &plane->forward_}) {
    Result<LoopbackListener> made = listen_on_loopback(0, "end programs that use many ports");
    if (!made) return fail(made.error());
    *listener = std::move(*made);
  }
  return plane;
}

std::string DataPlane::metrics_address() const {
  return fmt::format("127.0.0.1:{}", metrics_.port);
}

std::string DataPlane::forward_proxy_url() const {
  return fmt::format("http://127.0.0.1:{}", forward_.port);
}

Task<Result<void>> DataPlane::run_once() {
  Result<FdPair> config = make_stream_pair();
  if (!config) co_return fail(config.error());
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd log(::open(log_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!null || !log) co_return fail_errno("cannot open " + log_file_.string());
  Program program{.argv = {program_, "mesh-proxy", "-config-fd=3", "-metrics-fd=4", "-forward-proxy-fd=5"}};
  std::vector<int> fds = {
      null.get(), log.get(), log.get(), config->second.get(), metrics_.socket.get(), forward_.socket.get()};
  const Result<Process> proxy = co_await fabric_.processes().start(std::move(program), std::move(fds));
  if (!proxy) co_return fail(proxy.error().within("cannot start the mesh proxy"));
  config->second.reset();
  co_await controller_.run(config->first.release());
  co_return Result<void>();
}

Task<void> DataPlane::run() {
  kube::Backoff backoff(random_, 200ms, 10s);
  for (;;) {
    const base::MonoTime since = clock_.now();
    const Result<void> ended = co_await run_once();
    if (closing_) co_return;
    log_.error(ended ? "the mesh proxy has ended; it is started again (see " + log_file_.string() + ")"
                     : ended.error().message);
    if (clock_.now() - since > 1min) backoff.reset();
    const base::Duration pause = backoff.next();
    co_await clock_.sleep_for(pause);
  }
}

}  // namespace serin::local
