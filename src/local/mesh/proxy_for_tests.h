#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "local/mesh/proxy.h"

namespace serin::local::mesh::proxy_testing {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline sockaddr_in address_of(const std::string& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

/// A listening socket; port 0 picks one, which is returned.
inline int listen_on(const std::string& ip, std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = address_of(ip, port);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 512) != 0) {
    ::close(fd);
    return -1;
  }
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

/// A blocking connection with a limit of five seconds on everything.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {
    const timeval limit{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  Peer(const std::string& ip, std::uint16_t port, const std::string& from = "")
      : Peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (!from.empty()) {
      const sockaddr_in source = address_of(from, 0);
      ::bind(fd_, reinterpret_cast<const sockaddr*>(&source), sizeof source);
    }
    const sockaddr_in to = address_of(ip, port);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  Peer(Peer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        pending_(std::move(other.pending_)),
        connected_(other.connected_) {}
  ~Peer() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Everything up to and with `end`; what there is when the other side closes first.
  std::string read_until(std::string_view end) {
    for (;;) {
      if (const std::size_t at = pending_.find(end); at != std::string::npos) return take(at + end.size());
      if (!more()) return take(pending_.size());
    }
  }
  std::string read(std::size_t size) {
    while (pending_.size() < size && more()) {
    }
    return take(std::min(size, pending_.size()));
  }
  std::string read_all() {
    while (more()) {
    }
    return take(pending_.size());
  }
  /// A response with Content-Length: its head and body.
  std::string response(std::string* body = nullptr) {
    std::string head = read_until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    const std::size_t size = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    const std::string content = read(size);
    if (body) *body = content;
    return head + content;
  }
  void end_of_sending() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
  }

 private:
  bool more() {
    char piece[65536];
    const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
    if (got <= 0) return false;
    pending_.append(piece, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = pending_.substr(0, size);
    pending_.erase(0, size);
    return taken;
  }

  int fd_;
  std::string pending_;
  bool connected_ = false;
};

/// An application: runs a script on each connection, in a thread of its own.
class App {
 public:
  using Script = std::function<void(Peer&)>;

  App(const std::string& ip, std::uint16_t port, Script script) : script_(std::move(script)) {
    fd_ = listen_on(ip, port);
    EXPECT_GE(fd_, 0) << ip << ":" << port;
    thread_ = std::jthread([this] { accept(); });
  }
  ~App() { stop(); }
  void stop() {
    if (fd_ < 0) return;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(std::exchange(fd_, -1));
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    threads_.clear();
  }
  [[nodiscard]] int accepted() const { return accepted_; }
  [[nodiscard]] int closed() const { return closed_; }

 private:
  void accept() {
    for (;;) {
      const int fd = ::accept(fd_, nullptr, nullptr);
      if (fd < 0) return;
      ++accepted_;
      const std::lock_guard lock(mutex_);
      open_.insert(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    {
      Peer peer(fd);
      script_(peer);
      const std::lock_guard lock(mutex_);
      open_.erase(fd);
    }
    ++closed_;
  }

  Script script_;
  int fd_ = -1;
  std::atomic<int> accepted_ = 0, closed_ = 0;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::jthread> threads_;
  std::jthread thread_;
};

/// Answers every request with this text, kept alive.
inline App::Script answering(const std::string& body) {
  return [body](Peer& peer) {
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    while (!peer.read_until("\r\n\r\n").empty() && peer.send(answer)) {
    }
  };
}

/// The proxy on a thread of its own, with addresses of the loopback network as a cluster.
class MeshTest : public testing::Test {
 protected:
  // Addresses of this process, so that tests may run side by side.
  const std::string net_ =
      "127." + std::to_string(97 + ::getpid() / 250 % 100) + "." + std::to_string(::getpid() % 250) + ".";
  const std::string service_ip_ = net_ + "1", canary_ip_ = net_ + "2";
  const std::string pod_a_ = net_ + "11", pod_b_ = net_ + "12", caller_ = net_ + "19";
  static constexpr std::uint16_t port_ = 9898;

  Limits limits() {
    Limits limits;
    limits.header_max = 4096;
    limits.head_timeout = milliseconds(400);
    limits.detect_timeout = milliseconds(300);
    limits.body_timeout = milliseconds(400);
    limits.connect_patience = milliseconds(300);
    return limits;
  }

  void SetUp() override {
    proxy_.emplace(context_.get_executor(), clock_, base::Random(42), limits());
    const int metrics = listen_on("127.0.0.1", metrics_port_);
    const int forward = listen_on("127.0.0.1", forward_port_);
    ASSERT_TRUE(proxy_->serve_metrics(metrics));
    ASSERT_TRUE(proxy_->serve_forward(forward));
    thread_ = std::jthread([this] { context_.run(); });
  }

  void TearDown() override {
    on_proxy(
        [this] { asio::co_spawn(context_, proxy_->stop(), [](std::exception_ptr e) { EXPECT_FALSE(e); }); });
    thread_.join();
    proxy_.reset();
  }

  void on_proxy(std::function<void()> work) {
    std::promise<void> done;
    asio::post(context_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::vector<ListenFailure> apply(const MeshSnapshot& snapshot) {
    std::vector<ListenFailure> failures;
    on_proxy([&] { failures = proxy_->apply(snapshot); });
    return failures;
  }

  /// podinfo split over podinfo-canary (pod a) and podinfo-primary (pod b).
  MeshSnapshot snapshot(std::uint64_t canary_weight, std::uint64_t primary_weight) {
    MeshSnapshot snapshot;
    const MeshEndpoint a{pod_a_, port_, {"test", "pod-a"}, true}, b{pod_b_, port_, {"test", "pod-b"}, true};
    snapshot.services = {
        {"test",
         "podinfo",
         service_ip_,
         {{"http", port_, false, {b}}},
         {{"podinfo-canary", canary_weight}, {"podinfo-primary", primary_weight}}},
        {"test", "podinfo-canary", canary_ip_, {{"http", port_, false, {a}}}, {}},
        {"test", "podinfo-primary", "", {{"http", port_, false, {b}}}, {}},
    };
    snapshot.pods = {{"test", "pod-a", pod_a_, "podinfo", "default", {}},
                     {"test", "pod-b", pod_b_, "podinfo-primary", "default", {}},
                     {"test", "caller", caller_, "loadtester", "default", {}}};
    return snapshot;
  }

  std::string page(const std::string& pod) {
    Peer peer("127.0.0.1", metrics_port_);
    peer.send("GET /pods/test/" + pod + "/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return peer.read_all();
  }
  /// Waits until the page says so: events are counted a moment after the client has its answer.
  std::string page_with(const std::string& pod, const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(5);
    std::string seen = page(pod);
    while (seen.find(text) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
      seen = page(pod);
    }
    return seen;
  }
  Peer client() { return Peer(service_ip_, port_, caller_); }
  static constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: podinfo.test\r\n\r\n";

  asio::io_context context_{1};
  base::SystemClock clock_;
  std::optional<Proxy> proxy_;
  std::uint16_t metrics_port_ = 0, forward_port_ = 0;
  std::jthread thread_;
};

}  // namespace serin::local::mesh::proxy_testing
