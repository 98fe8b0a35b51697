#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "http/client.h"
#include "http/server.h"
#include "local/ingress/cluster_for_tests.h"
#include "local/ingress/nginx_config.h"
#include "local/ingress/request_log.h"
#include "local/metrics/child.h"

namespace serin::local::testing {

namespace fs = std::filesystem;

/// A folder that goes with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = fs::temp_directory_path() / "serin-ingress-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

inline void write_text(const fs::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

inline std::string read_text(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// Who answered how many of a series of requests.
struct Tally {
  int main = 0, canary = 0, failed = 0;
  std::string failure;  ///< the first one
  [[nodiscard]] double canary_share() const { return static_cast<double>(canary) / (main + canary); }
};

/// A real NGINX on a loopback port, with two servers behind it. It and its workers end when this world ends,
/// however that happens: a watcher kills them when the fifo's writer, this process, is gone.
class NginxWorld {
  boost::asio::io_context context_;  // before all that runs on it

 public:
  static constexpr const char* nginx_path = "/usr/sbin/nginx";
  using Body = std::function<base::Task<void>(NginxWorld&)>;

  /// Starts NGINX with the Ingresses in `yaml` (Services: podinfo, podinfo-canary, and `gone`, which has
  /// nobody behind it), runs `body`, and stops everything. Skips the test where there is no NGINX.
  static void run(std::string yaml, Body body) {
    if (::access(nginx_path, X_OK) != 0) GTEST_SKIP() << nginx_path << " is not installed";
    NginxWorld world;
    std::exception_ptr failure;
    boost::asio::co_spawn(world.context_, world.play(std::move(yaml), std::move(body)),
                          [&failure](std::exception_ptr error) { failure = std::move(error); });
    world.context_.run();
    if (failure) std::rethrow_exception(failure);
  }

  /// Writes the configuration for these Ingresses and has NGINX read it. It is in use once asking for
  /// `sign_host` is answered.
  void configure(const std::string& yaml, const std::string& sign_host) {
    const OneRule sign{.name = "sign", .host = sign_host, .service = "podinfo"};
    const std::string text = nginx_config(plan_ingress(cluster_of(services() + yaml + sign.yaml())), 1);
    write_text(folder_.path / "nginx.conf", text);
    if (!child_) return;
    ::kill(std::stoi(read_text(folder_.path / "nginx.pid")), SIGHUP);
  }
  base::Task<void> in_use(std::string sign_host) {
    http::Request request = get(sign_host, "/");
    while (true) {
      const auto response = co_await client->send(request, {});
      if (response && response->status == 200) co_return;
      co_await clock.sleep_for(std::chrono::milliseconds(10));
    }
  }

  [[nodiscard]] http::Request get(const std::string& host, const std::string& target,
                                  http::Headers headers = {}) const {
    headers.set("Host", host);
    return {.url = {"http", "127.0.0.1", std::to_string(port_), target, {}}, .headers = std::move(headers)};
  }
  /// Sends it so many times, many at once.
  base::Task<Tally> ask(http::Request request, int times) {
    Tally tally;
    base::TaskGroup group(executor());
    int left = times;
    for (int i = 0; i < std::min(times, 32); ++i) group.spawn(keep_asking(request, &left, &tally));
    co_await group.join();
    co_return tally;
  }
  /// Sends it until *left is used up, one after the other.
  base::Task<void> keep_asking(http::Request request, int* left, Tally* tally) {
    while (--*left >= 0) {
      const auto response = co_await client->send(request, {});
      if (response && response->status == 200) {
        ++(response->headers.get("X-Backend") == "canary" ? tally->canary : tally->main);
      } else if (tally->failed++ == 0) {
        tally->failure = response ? std::to_string(response->status) : response.error().message;
      }
    }
  }

  [[nodiscard]] base::Executor executor() { return context_.get_executor(); }

  base::SystemClock clock;
  std::unique_ptr<http::Client> client;
  base::Wakeup release{context_.get_executor()};  ///< what requests for /held wait for
  base::Wakeup held{context_.get_executor()};     ///< raised when one does
  http::Request last;                             ///< as a backend saw it
  RequestLog requests{context_.get_executor()};   ///< what NGINX has logged

 private:
  NginxWorld() {
    client = http::make_client(executor(), {.idle_per_host_max = 64}).value();
    main_ = make_backend("main");
    canary_ = make_backend("canary");
  }

  std::unique_ptr<http::Server> make_backend(const std::string& name) {
    const auto handler = [this, name](http::Request request, http::Responder& responder) {
      return answer(name, std::move(request), responder);
    };
    auto server = http::make_server(executor(), {}, handler, {}).value();
    group_.spawn(server->run());
    return server;
  }
  base::Task<void> answer(std::string name, http::Request request, http::Responder& responder) {
    const bool wait = request.url.target == "/held";
    last = std::move(request);
    if (wait) {
      held.notify();
      co_await release.wait();
    }
    const auto sent = co_await responder.send({.headers = {{"X-Backend", name}}, .body = name});
    (void)sent;
  }

  [[nodiscard]] std::string services() const {
    return service_yaml("podinfo", "127.0.0.1", main_->port()) + endpoints_yaml("podinfo") +
           service_yaml("podinfo-canary", "127.0.0.1", canary_->port()) + endpoints_yaml("podinfo-canary") +
           service_yaml("gone", "127.0.0.1", 1);
  }

  /// A port that was free a moment ago; NGINX itself tries for seconds to get it.
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool known = ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
    ::close(fd);
    if (!known) throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
  }

  void start() {
    fs::create_directories(folder_.path / "tmp");
    write_text(folder_.path / "listen.conf", fmt::format("listen 127.0.0.1:{};\n", port_));
    if (const auto opened = requests.open(folder_.path / "requests.fifo"); !opened)
      throw std::runtime_error(opened.error().message);
    group_.spawn(requests.run());
    const fs::path alive = folder_.path / "alive.fifo";
    if (::mkfifo(alive.c_str(), 0600) != 0) throw std::runtime_error("cannot make " + alive.string());
    alive_ = ::open(alive.c_str(), O_RDWR | O_CLOEXEC);
    // The kernel kills the outer shell with us; the inner one lives to see the end of the fifo.
    const std::string script = fmt::format(
        "cd '{}' || exit\n({} -p \"$PWD\" -c nginx.conf -g 'daemon off;' & cat alive.fifo; kill $!; wait $!) "
        "& "
        "wait",
        folder_.path.string(), nginx_path);
    child_ = make_spawner(executor())->spawn({"/bin/sh", "-c", script}, folder_.path / "log").value();
  }

  base::Task<void> play(std::string yaml, Body body) {
    configure(yaml, "started");
    start();
    const base::MonoTime deadline = clock.now() + std::chrono::seconds(120);
    bool in_time = co_await base::run_until(clock, deadline, in_use("started"));
    if (in_time) in_time = co_await base::run_until(clock, deadline, body(*this));
    EXPECT_TRUE(in_time) << "NGINX said: " << read_text(folder_.path / "log")
                         << "\nand logged: " << requests.metrics().text();
    ::close(alive_);
    co_await child_->ended();
    group_.cancel();
    co_await group_.join();
  }

  base::TaskGroup group_{context_.get_executor()};
  TemporaryFolder folder_;
  std::unique_ptr<http::Server> main_, canary_;
  std::unique_ptr<Child> child_;
  int port_ = free_port();
  int alive_ = -1;
};

}  // namespace serin::local::testing
