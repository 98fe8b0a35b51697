#include "local/metrics/prometheus.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "kube/backoff.h"

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

std::string prometheus_configuration(const std::filesystem::path& target_file,
                                     const std::string& ingress_address) {
  std::string text = fmt::format(R"(global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
scrape_configs:
- job_name: linkerd-proxy
  file_sd_configs:
  - files: ["{}"]
    refresh_interval: 5s
)",
                                 target_file.string());
  if (!ingress_address.empty()) {
    text += fmt::format(R"(- job_name: ingress-nginx
  static_configs:
  - targets: ["{}"]
)",
                        ingress_address);
  }
  return text;
}

Result<void> write_atomically(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::path next = file;
  next += ".next";
  std::ofstream out(next, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(next, file, error);
  if (!out || error) {
    return fail(Errc::unavailable, fmt::format("cannot write {}: {}", file.string(),
                                               error ? error.message() : "is the disk full?"));
  }
  return {};
}

Prometheus::Prometheus(PrometheusOptions options, Spawner& spawner, http::Client& client, kube::Api& api,
                       base::Clock& clock, base::Random& random, base::Logger log, base::Executor executor)
    : options_(std::move(options)),
      spawner_(spawner),
      client_(client),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      executor_(executor),
      changed_(executor),
      pods_(api, clock, random, log_, kube::resources::pods, {}, executor),
      replica_sets_(api, clock, random, log_, kube::resources::replicasets, {.metadata_only = true},
                    executor) {
  const auto on_change = [this](const kube::ObjectRef&, const auto&, const auto&) { changed_.notify(); };
  pods_.subscribe(on_change);
  replica_sets_.subscribe(on_change);
}

std::string Prometheus::url() const {
  return fmt::format("http://127.0.0.1:{}", options_.port);
}

// --- The child

Result<void> Prometheus::prepare() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) {
    return fail(Errc::invalid,
                fmt::format("cannot make {}: {}", options_.directory.string(), error.message()));
  }
  const std::filesystem::path targets = options_.directory / "targets.json";
  if (auto written = write_atomically(targets, "[]\n"); !written) return written;
  written_.clear();
  return write_atomically(options_.directory / "prometheus.yml",
                          prometheus_configuration(targets, options_.ingress_address));
}

Result<void> Prometheus::launch() {
  const std::filesystem::path& dir = options_.directory;
  std::vector<std::string> command = {
      options_.program.string(),
      "--config.file=" + (dir / "prometheus.yml").string(),
      "--storage.tsdb.path=" + (dir / "data").string(),
      "--storage.tsdb.retention.time=6h",
      fmt::format("--web.listen-address=127.0.0.1:{}", options_.port),
      "--log.level=warn",
  };
  Result<std::unique_ptr<Child>> child = spawner_.spawn(std::move(command), dir / "prometheus.log");
  if (!child && child.error().code == Errc::not_found) {
    return fail(Errc::not_found,
                child.error().message + ": install Prometheus (Debian: apt install prometheus)");
  }
  if (!child) return fail(child.error());
  child_ = std::move(*child);
  return {};
}

std::string Prometheus::log_tail() const {
  std::ifstream in(options_.directory / "prometheus.log", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  constexpr std::size_t shown = 600;
  return text.size() > shown ? "..." + text.substr(text.size() - shown) : text;
}

Task<Result<void>> Prometheus::start() {
  if (auto prepared = prepare(); !prepared) co_return fail(prepared.error());
  if (auto launched = launch(); !launched) co_return fail(launched.error());
  Result<void> ready = co_await wait_ready();
  if (!ready) child_.reset();
  co_return ready;
}

namespace {

Task<void> note_end(Child& child, std::string* into) {
  std::string how = co_await child.ended();
  *into = std::move(how);
}

}  // namespace

Task<Result<void>> Prometheus::wait_ready() {
  const base::MonoTime deadline = clock_.now() + options_.ready_within;
  const base::Result<http::Url> ready = http::Url::parse(url() + "/-/ready");
  if (!ready) co_return fail(ready.error());
  std::string end;
  while (clock_.now() < deadline) {
    http::Request request{.url = *ready};
    const http::ExchangeOptions limits{.timeout = 2s};
    const Result<http::Response> response = co_await client_.send(std::move(request), limits);
    if (response && response->status == 200) co_return Result<void>{};
    const base::MonoTime next = clock_.now() + 100ms;
    const bool ended = co_await base::run_until(clock_, next, note_end(*child_, &end));
    if (ended) {
      co_return fail(Errc::unavailable,
                     fmt::format("prometheus {} before it was ready (is port {} taken?): {}", end,
                                 options_.port, log_tail()));
    }
  }
  co_return fail(Errc::timeout, fmt::format("prometheus does not answer on {} within {}: {}", url(),
                                            base::format_duration(options_.ready_within), log_tail()));
}

Task<void> Prometheus::keep_alive() {
  kube::Backoff backoff(random_, 500ms, 30s);
  for (;;) {
    if (child_) {
      const base::MonoTime since = clock_.now();
      std::string how = co_await child_->ended();
      child_.reset();
      log_.warn(fmt::format("prometheus {}; it is started again", how));
      if (clock_.now() - since > 1min) backoff.reset();
    }
    const base::Duration pause = backoff.next();
    co_await clock_.sleep_for(pause);
    if (auto launched = launch(); !launched) log_.error(launched.error().message);
  }
}

// --- Its targets

Task<void> Prometheus::write_targets() {
  co_await pods_.wait_synced();
  co_await replica_sets_.wait_synced();
  for (;;) {
    std::string text =
        target_file_text(scrape_targets(pods_.list(), replica_sets_.list(), options_.metrics_address));
    if (text != written_) {
      const Result<void> written = write_atomically(options_.directory / "targets.json", text);
      if (written) {
        written_ = std::move(text);
      } else {
        log_.error(written.error().message);
      }
    }
    co_await changed_.wait();
  }
}

Task<void> Prometheus::run() {
  base::TaskGroup tasks(executor_);
  tasks.spawn(pods_.run());
  tasks.spawn(replica_sets_.run());
  tasks.spawn(write_targets());
  tasks.spawn(keep_alive());
  co_await tasks.join();
  child_.reset();
}

}  // namespace serin::local
