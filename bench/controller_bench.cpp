/// The real `serin controller` with many canaries on one server (make_server()): what it costs while nothing
/// happens, how soon it sees a change, how long promotions take. Prints one figure a line, a tab between name
/// and value. Arguments: how many canaries (50); where kube-apiserver is, if it is played on.
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/kubernetes/rig.h"

namespace serin::kubernetes_test {
namespace {

namespace resources = kube::resources;
using base::Duration;
using base::fail;
using base::Json;
using base::MonoTime;
using base::Result;
using base::Task;
using namespace std::chrono_literals;

constexpr const char* ns = "bench";
constexpr int samples = 5;
/// What a promotion waits for by its spec: weights 10 and 20, an interval each, and the drain period.
constexpr Duration stated = 10s + 10s + 3s;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

template <class... Args>
void print(std::string_view what, fmt::format_string<Args...> text, Args&&... args) {
  fmt::print("{}\t{}\n", what, fmt::format(text, std::forward<Args>(args)...));
}

Json deployment(const std::string& name) {
  const Json labels = Json::object({{"app", name}});
  Json object = Json::object({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}});
  object.set("metadata", "name") = name;
  object.set("spec", "replicas") = 1;
  object.set("spec", "selector", "matchLabels") = labels;
  object.set("spec", "template", "metadata", "labels") = labels;
  object.set("spec", "template", "spec", "containers") =
      Json::array({Json::object({{"name", "app"}, {"image", "podinfo:6.0.0"}})});
  return object;
}

Json canary(const std::string& name) {
  Json object = Json::object({{"apiVersion", "flagger.app/v1beta1"}, {"kind", "Canary"}});
  object.set("metadata", "name") = name;
  object.set("spec", "targetRef") =
      Json::object({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", name}});
  object.set("spec", "service", "port") = 9898;
  object.set("spec", "analysis") =
      Json::object({{"interval", "10s"}, {"threshold", 5}, {"maxWeight", 20}, {"stepWeight", 10}});
  return object;
}

class Bench {
 public:
  Bench(Setting setting, base::Executor executor, int canaries)
      : rig_(std::move(setting), executor), canaries_(canaries) {}

  Task<void> run(std::string* trouble) {
    Result<void> done = co_await rig_.start();
    for (const auto step :
         {&Bench::install, &Bench::rest, &Bench::promote_one, &Bench::detect, &Bench::promote_all}) {
      if (done) done = co_await (this->*step)();
    }
    if (!done) *trouble = done.error().message;
    co_await rig_.stop();
  }

 private:
  static std::string name_of(int i) { return fmt::format("app-{}", i); }

  Task<Result<void>> install() {
    Json space = Json::object({{"metadata", Json::object({{"name", ns}})}});
    Result<Json> made = co_await rig_.api().create(resources::namespaces, "", std::move(space), {});
    for (int i = 0; i < canaries_ && made; ++i) {
      made = co_await rig_.api().create(resources::deployments, ns, deployment(name_of(i)), {});
      if (made) made = co_await rig_.api().create(resources::canaries, ns, canary(name_of(i)), {});
    }
    if (!made) co_return fail(made.error());
    co_return co_await reach("Initialized", canaries_);
  }

  /// So many of them are in this phase.
  Task<Result<void>> reach(std::string phase, int wanted) {
    const MonoTime deadline = rig_.clock().now() + 5min;
    while (rig_.clock().now() < deadline) {
      const Result<kube::List> list = co_await rig_.api().list(resources::canaries, ns, {});
      if (!list) co_return fail(list.error());
      const auto is_there = [&](const Json& each) { return each.get("status", "phase").str() == phase; };
      if (std::ranges::count_if(list->items, is_there) >= wanted) co_return Result<void>();
      co_await rig_.clock().sleep_for(100ms);
    }
    co_return fail(base::Errc::timeout, "the canaries do not come to " + phase);
  }

  /// Two intervals in which nothing happens.
  Task<Result<void>> rest() {
    co_await rig_.clock().sleep_for(5s);
    const std::map<std::string, std::uint64_t> before = rig_.server().requests();
    const Result<double> cpu_before = co_await rig_.controller_metric("process_cpu_seconds_total");
    co_await rig_.clock().sleep_for(20s);
    const Result<double> cpu = co_await rig_.controller_metric("process_cpu_seconds_total");
    const Result<double> memory = co_await rig_.controller_metric("process_resident_memory_bytes");
    for (const Result<double>* each : {&cpu_before, &cpu, &memory}) {
      if (!*each) co_return fail(each->error());
    }
    std::uint64_t requests = 0;
    for (const auto& [request, count] : rig_.server().requests()) {
      const auto known = before.find(request);
      requests += count - (known == before.end() ? 0 : known->second);
    }
    print("requests of all canaries at rest in two intervals", "{}", requests);
    print("controller at rest, CPU", "{:.2f} % of a core", (*cpu - *cpu_before) / 20 * 100);
    print("controller, resident", "{:.1f} MB", *memory / (1 << 20));
    co_return Result<void>();
  }

  Task<Result<void>> push(int i, std::string tag) {
    const Json patch = Json::array({Json::object({{"op", "replace"},
                                                  {"path", "/spec/template/spec/containers/0/image"},
                                                  {"value", "podinfo:" + tag}})});
    const Result<Json> done = co_await rig_.api().patch(resources::deployments, ns, name_of(i),
                                                        kube::PatchType::json, patch, "", {});
    if (!done) co_return fail(done.error());
    co_return Result<void>();
  }

  /// From sending a new image to the phase Progressing, as a watch shows it.
  Task<Result<Duration>> detection(int i) {
    const Result<Json> now = co_await rig_.api().get(resources::canaries, ns, name_of(i));
    if (!now) co_return fail(now.error());
    auto watch = co_await rig_.api().watch(resources::canaries, ns, kube::resource_version_of(*now),
                                           {.field_selector = "metadata.name=" + name_of(i)});
    if (!watch) co_return fail(watch.error());
    const MonoTime began = rig_.clock().now();
    const Result<void> pushed = co_await push(i, "6.0.1");
    if (!pushed) co_return fail(pushed.error());
    while (true) {
      const auto event = co_await (*watch)->next();
      if (!event) co_return fail(event.error());
      if (!event->has_value()) co_return fail(base::Errc::unavailable, "the watch has ended");
      if ((*event)->object.get("status", "phase").str() == "Progressing")
        co_return rig_.clock().now() - began;
    }
  }

  Task<Result<void>> detect() {
    std::vector<Duration> took;
    for (int i = 1; i <= samples; ++i) {
      const Result<Duration> each = co_await detection(i);
      if (!each) co_return fail(each.error());
      took.push_back(*each);
    }
    std::ranges::sort(took);
    print("change sent to phase Progressing seen: median, slowest", "{:.0f} ms, {:.0f} ms",
          seconds(took[samples / 2]) * 1000, seconds(took.back()) * 1000);
    co_return Result<void>();
  }

  Task<Result<void>> promote_one() {
    const Result<void> pushed = co_await push(0, "6.0.1");
    if (!pushed) co_return pushed;
    const Result<std::vector<Duration>> over = co_await promotions(0, 1);
    if (!over) co_return fail(over.error());
    print("promotion beyond intervals and drain, alone", "{:.2f} s", seconds(over->front()));
    co_return Result<void>();
  }

  /// Those whose changes detect() has sent, and all others, at once.
  Task<Result<void>> promote_all() {
    for (int i = samples + 1; i < canaries_; ++i) {
      const Result<void> pushed = co_await push(i, "6.0.1");
      if (!pushed) co_return pushed;
    }
    const Result<std::vector<Duration>> over = co_await promotions(1, canaries_);
    if (!over) co_return fail(over.error());
    print("promotion beyond intervals and drain, all at once: median, slowest", "{:.2f} s, {:.2f} s",
          seconds((*over)[over->size() / 2]), seconds(over->back()));
    co_return Result<void>();
  }

  /// Waits for the promotions of these canaries. How much longer than by its spec each takes from its first
  /// weight on, in order.
  Task<Result<std::vector<Duration>>> promotions(int first, int end) {
    const Result<void> done = co_await reach("Succeeded", end);
    if (!done) co_return fail(done.error());
    co_await rig_.clock().sleep_for(1s);  // the last events are on their way
    std::map<std::string, MonoTime> began;
    std::vector<Duration> over;
    for (const Event& event : rig_.receiver().inbox(ns).events) {
      for (int i = first; i < end; ++i) {
        const std::string target = fmt::format("{}.{}", name_of(i), ns);
        if (event.message == fmt::format("Advance {} canary weight 10", target)) began[target] = event.at;
        if (event.message == fmt::format("Promotion completed! Scaling down {}", target))
          over.push_back(event.at - began[target] - stated);
      }
    }
    if (over.size() != static_cast<std::size_t>(end - first))
      co_return fail(base::Errc::internal, fmt::format("{} promotions were announced", over.size()));
    std::ranges::sort(over);
    co_return over;
  }

  Rig rig_;
  int canaries_;
};

int run(int canaries, std::filesystem::path control_plane) {
  std::string folder = (std::filesystem::temp_directory_path() / "serin-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  boost::asio::io_context context;
  std::string trouble;
  std::exception_ptr failure;
  {
    Bench bench({.folder = folder, .control_plane = std::move(control_plane)}, context.get_executor(),
                canaries);
    boost::asio::co_spawn(context, bench.run(&trouble), [&](std::exception_ptr e) { failure = e; });
    context.run();
  }
  if (failure) std::rethrow_exception(failure);
  if (!trouble.empty()) {
    fmt::print(stderr, "{} (logs are in {})\n", trouble, folder);
    return 1;
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace serin::kubernetes_test

int main(int argc, char** argv) {
  return serin::kubernetes_test::run(argc > 1 ? std::atoi(argv[1]) : 50, argc > 2 ? argv[2] : "");
}
