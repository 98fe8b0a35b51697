#include "local/mesh/proxy.h"

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
#include <cmath>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <thread>

namespace serin::local::mesh {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

sockaddr_in address_of(const std::string& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

/// A listening socket; port 0 picks one, which is returned.
int listen_on(const std::string& ip, std::uint16_t& port) {
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
App::Script answering(const std::string& body) {
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

TEST_F(MeshTest, SplitsByWeightPerRequestAndCounts) {
  const App a(pod_a_, port_, answering("a")), b(pod_b_, port_, answering("b"));
  ASSERT_TRUE(apply(snapshot(10000, 90000)).empty());
  constexpr int requests = 10000;
  int canary = 0;
  Peer peer = client();
  for (int i = 0; i < requests; ++i) {
    ASSERT_TRUE(peer.send(get));
    std::string body;
    peer.response(&body);
    ASSERT_TRUE(body == "a" || body == "b") << body;
    canary += body == "a";
  }
  EXPECT_NEAR(canary, 1000, 200) << "within two points";
  EXPECT_EQ(a.accepted(), 1) << "one kept connection to each application";
  EXPECT_EQ(b.accepted(), 1);

  const std::string end = ",status_code=\"200\",classification=\"success\",grpc_status=\"\",error=\"\"} " +
                          std::to_string(canary) + "\n";
  const std::string inbound = page_with("pod-a", end);
  EXPECT_THAT(inbound, HasSubstr("response_total{direction=\"inbound\",target_addr=\"" + pod_a_ + ":9898\""));
  EXPECT_THAT(inbound, HasSubstr(end));
  EXPECT_THAT(inbound, HasSubstr("srv_port=\"9898\""));
  EXPECT_THAT(inbound, Not(HasSubstr("failure")));
  const std::string outbound = page("caller");
  EXPECT_THAT(
      outbound,
      HasSubstr(
          "request_total{direction=\"outbound\",authority=\"podinfo-canary.test.svc.cluster.local:9898\""));
  EXPECT_THAT(outbound, HasSubstr("dst_deployment=\"podinfo-primary\""));
  EXPECT_THAT(outbound, HasSubstr("tcp_open_total{direction=\"outbound\",peer=\"src\",target_addr=\"" +
                                  service_ip_ + ":9898\""));
}

TEST_F(MeshTest, FollowsEverySnapshotAtOnce) {
  const App a(pod_a_, port_, answering("a")), b(pod_b_, port_, answering("b"));
  Peer peer = client();
  EXPECT_FALSE(peer.connected()) << "nothing listens before the first snapshot";
  apply(snapshot(0, 100));
  Peer kept = client();
  const auto ask = [&kept] {
    std::string body;
    kept.send(get);
    const std::string head = kept.response(&body);
    return body.empty() ? head.substr(9, 3) : body;
  };
  for (int i = 0; i < 20; ++i) ASSERT_EQ(ask(), "b");
  apply(snapshot(100, 0));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(ask(), "a");
  apply(snapshot(0, 0));
  EXPECT_EQ(ask(), "b") << "no weight at all: the service's own endpoints";

  MeshSnapshot unready = snapshot(10, 90);
  unready.services[1].ports[0].endpoints[0].ready = false;
  apply(unready);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(ask(), "b") << "a backend that is not ready leaves its share";
  unready.services[2].ports[0].endpoints.clear();
  apply(unready);
  EXPECT_EQ(ask(), "503");
  apply(MeshSnapshot{});
  EXPECT_FALSE(client().connected());
  EXPECT_THAT(page("pod-a"), StartsWith("HTTP/1.1 404"));
}

TEST_F(MeshTest, PassesBodiesOnAsTheyAre) {
  const App b(pod_b_, port_, [](Peer& peer) {
    for (;;) {
      const std::string head = peer.read_until("\r\n\r\n");
      if (head.empty()) return;
      if (head.starts_with("HEAD")) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
      } else if (head.starts_with("PUT")) {
        const std::string body = peer.read(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
      } else {
        const std::string body = peer.read_until("0\r\n\r\n");
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
      }
    }
  });
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer.read_until("\r\n\r\n"), HasSubstr("Content-Length: 1000"));

  const std::string chunks = "5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n";
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : chunks) peer.send(std::string_view(&c, 1));
  EXPECT_THAT(peer.read_until("0\r\n\r\n"), HasSubstr("chunked\r\n\r\n" + chunks));

  std::string large(8u << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 4099) large[i] = static_cast<char>('a' + i % 26);
  // Sent from another thread: the answer begins only once all is in, but sending must not depend on it.
  std::jthread sender([&peer, &large] {
    peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n");
    peer.send(large);
  });
  sender.join();
  std::string body;
  peer.response(&body);
  EXPECT_TRUE(body == large) << body.size() << " bytes came back";
}

TEST_F(MeshTest, RelaysContinueAndEndsBodiesWithTheConnection) {
  const App b(pod_b_, port_, [](Peer& peer) {
    // Both requests may come on one connection, which stays open until the second is answered.
    while (true) {
      const std::string head = peer.read_until("\r\n\r\n");
      if (!head.starts_with("POST")) break;
      peer.send("HTTP/1.1 100 Continue\r\n\r\n");
      const std::string body = peer.read(5);
      peer.send("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n" + body);
    }
    peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  peer.send("12345");
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 201 "));
  peer.send(get);
  const std::string rest = peer.read_all();
  EXPECT_THAT(rest, HasSubstr("Connection: close"));
  EXPECT_THAT(rest, testing::EndsWith("\r\n\r\nuntil the end"));
}

TEST_F(MeshTest, TunnelsUpgradesAndOtherProtocols) {
  const App b(pod_b_, port_, [](Peer& peer) {
    std::string first = peer.read_until("\n");
    if (first.starts_with("CONNECT")) {
      peer.read_until("\r\n\r\n");
      peer.send("HTTP/1.1 200 Connected\r\n\r\n");
      first = peer.read_until("\n");
    }
    if (first.starts_with("GET")) {
      const std::string head = peer.read_until("\r\n\r\n");
      EXPECT_THAT(head, HasSubstr("Upgrade: echo"));
      peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
      first = peer.read_until("\n");
    }
    peer.send("echo " + first);
    peer.send("rest " + peer.read_all());
  });
  apply(snapshot(0, 100));
  {
    Peer peer = client();
    peer.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
    peer.send("hello\n");
    EXPECT_EQ(peer.read_until("\n"), "echo hello\n");
    peer.send("bye");
    peer.end_of_sending();
    EXPECT_EQ(peer.read_all(), "rest bye");
  }
  {
    Peer peer = client();
    peer.send("CONNECT far:1 HTTP/1.1\r\nHost: far:1\r\n\r\n");
    EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
    peer.send("hello\n");
    EXPECT_EQ(peer.read_until("\n"), "echo hello\n");
  }
  Peer peer = client();
  peer.send("\x01\x02 no http\n");
  EXPECT_EQ(peer.read_until("\n"), "echo \x01\x02 no http\n");
  peer.end_of_sending();
  EXPECT_EQ(peer.read_all(), "rest ");
  const std::string seen = page_with("pod-b",
                                     "tcp_close_total{direction=\"inbound\",peer=\"dst\",tls=\"no_"
                                     "identity\",no_tls_reason=\"loopback\",errno=\"\"} 3");
  EXPECT_THAT(seen, HasSubstr("tcp_open_total{direction=\"inbound\",peer=\"src\",target_addr=\"" + pod_b_));
  EXPECT_THAT(seen, HasSubstr("status_code=\"101\""));
  EXPECT_THAT(seen, HasSubstr("authz_name=\"all-unauthenticated\"} 2\n"))
      << "two requests: other protocols are counted as bytes only";
}

TEST_F(MeshTest, LetsTheServerSpeakFirst) {
  const App b(pod_b_, port_, [](Peer& peer) { peer.send("220 ready\r\n"); });
  apply(snapshot(0, 100));
  Peer peer = client();
  EXPECT_EQ(peer.read_all(), "220 ready\r\n");
}

TEST_F(MeshTest, AnswersForApplicationsThatHangUp) {
  const App b(pod_b_, port_, [](Peer& peer) {
    const std::string head = peer.read_until("\r\n\r\n");
    if (head.starts_with("GET /cut")) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    if (head.starts_with("GET /nonsense")) peer.send("what?\r\n\r\n");
  });
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send(get);
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 502 "));
  peer.send("GET /nonsense HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 502 ")) << "on the same connection";
  peer.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer.read_all(), testing::EndsWith("half"));
  const std::string seen = page_with("pod-b", "error=\"unclassified\"} 1");
  EXPECT_THAT(seen,
              HasSubstr("status_code=\"502\",classification=\"failure\",grpc_status=\"\",error=\"\"} 2"));
  EXPECT_THAT(
      seen,
      HasSubstr("status_code=\"200\",classification=\"failure\",grpc_status=\"\",error=\"unclassified\"} 1"));
  EXPECT_THAT(seen, HasSubstr("response_latency_ms_count"));
}

TEST_F(MeshTest, DoesNotCountApplicationsThatRefuse) {
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send(get);
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(page_with("caller", "status_code=\"504\""), HasSubstr("classification=\"failure\""));
  EXPECT_THAT(page("pod-b"), Not(HasSubstr("_total{")));
  // It starts to listen while a client is waiting.
  peer.send(get);
  const App b(pod_b_, port_, answering("b"));
  peer.response();
  peer.send(get);
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MeshTest, TriesAFreshConnectionWhenTheKeptOneIsStale) {
  const App b(pod_b_, port_, [](Peer& peer) {  // keeps no connection, without saying so
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  apply(snapshot(0, 100));
  Peer peer = client();
  for (int i = 0; i < 20; ++i) {
    peer.send(get);
    ASSERT_THAT(peer.response(), StartsWith("HTTP/1.1 200 ")) << i;
    while (b.closed() <= i) std::this_thread::yield();
  }
}

TEST_F(MeshTest, LetsRequestsInFlightFinishWhenTheirEndpointGoes) {
  std::promise<void> arrived, go_on;
  const App a(pod_a_, port_, [&](Peer& peer) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow");
    arrived.set_value();
    go_on.get_future().wait();
    peer.send(" done");
  });
  const App b(pod_b_, port_, answering("b"));
  apply(snapshot(100, 0));
  Peer slow = client();
  slow.send(get);
  arrived.get_future().wait();
  MeshSnapshot without = snapshot(0, 100);
  without.services[1].ports[0].endpoints.clear();
  without.pods.erase(without.pods.begin());
  apply(without);
  Peer next = client();
  next.send(get);
  std::string body;
  next.response(&body);
  EXPECT_EQ(body, "b");
  go_on.set_value();
  slow.response(&body);
  EXPECT_EQ(body, "slow done");
}

TEST_F(MeshTest, StopsTheApplicationsWorkWhenTheClientHangsUp) {
  std::promise<void> arrived, hung_up;
  const App b(pod_b_, port_, [&](Peer& peer) {
    peer.read_until("\r\n\r\n");
    arrived.set_value();
    if (peer.read_all().empty()) hung_up.set_value();
  });
  apply(snapshot(0, 100));
  {
    Peer peer = client();
    peer.send(get);
    arrived.get_future().wait();
  }
  EXPECT_EQ(hung_up.get_future().wait_for(seconds(3)), std::future_status::ready);
  const std::string seen = page_with("pod-b", "request_total{");
  EXPECT_THAT(seen, Not(HasSubstr("response_total{"))) << "no head, no response";
}

TEST_F(MeshTest, SurvivesMisuse) {
  const App b(pod_b_, port_, answering("b"));
  apply(snapshot(0, 100));
  struct Case {
    const char* name;
    std::string bytes;
    const char* answer;
  };
  const Case cases[] = {
      {"malformed", "GET / nonsense\r\n\r\n", "HTTP/1.1 400 "},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "},
      {"smuggling", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 400 "},
      {"bad chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       "HTTP/1.1 400 "},
      {"huge header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(10000, 'x') + "\r\n\r\n",
       "HTTP/1.1 431 "},
      {"endless header", "GET / HTTP/1.1\r\nX: " + std::string(10000, 'x'), "HTTP/1.1 431 "},
      {"slow header", "GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408 "},
      {"version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "},
      {"coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
  };
  for (const Case& each : cases) {
    Peer peer = client();
    peer.send(each.bytes);
    EXPECT_THAT(peer.read_all(), StartsWith(each.answer)) << each.name;
  }
  for (int i = 0; i < 50; ++i) {
    Peer peer = client();
    peer.send(get);
    peer.reset();
  }
  Peer peer = client();
  peer.send(std::string(get) + std::string(get));
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 200 ")) << "pipelined requests are answered in order";
}

TEST_F(MeshTest, TimesOutBodiesThatStall) {
  const App b(pod_b_, port_, [](Peer& peer) { peer.read_all(); });
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12");
  EXPECT_THAT(peer.read_all(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(MeshTest, ForwardsFromTheHost) {
  const App a(pod_a_, port_, answering("a")), b(pod_b_, port_, answering("b"));
  apply(snapshot(0, 100));
  const auto ask = [this](const std::string& request) {
    Peer peer("127.0.0.1", forward_port_);
    peer.send(request + "\r\nHost: whatever\r\nConnection: close\r\n\r\n");
    return peer.read_all();
  };
  for (const std::string host : {"podinfo.test:9898", "PODINFO.test.svc.cluster.local:9898",
                                 "podinfo.test.svc.:9898", "podinfo-primary.test:9898"}) {
    EXPECT_THAT(ask("GET http://" + host + "/x HTTP/1.1"), testing::EndsWith("\r\n\r\nb")) << host;
  }
  EXPECT_THAT(ask("GET http://" + service_ip_ + ":9898/ HTTP/1.1"), testing::EndsWith("\r\n\r\nb"));
  EXPECT_THAT(ask("GET http://" + pod_a_ + ":9898 HTTP/1.1"), testing::EndsWith("\r\n\r\na"));
  const std::string unknown = ask("GET http://nobody.test/ HTTP/1.1");
  EXPECT_THAT(unknown, StartsWith("HTTP/1.1 502 "));
  EXPECT_THAT(unknown, HasSubstr("Services there: podinfo-canary.test, podinfo-primary.test, podinfo.test"));
  EXPECT_THAT(ask("GET http://podinfo.test/ HTTP/1.1"), HasSubstr("has no port 80; it has 9898"));
  EXPECT_THAT(ask("GET http://example.com/ HTTP/1.1"), HasSubstr("502"));
  EXPECT_THAT(ask("GET / HTTP/1.1"), HasSubstr("400 Bad Request"));

  Peer tunnel("127.0.0.1", forward_port_);
  tunnel.send("CONNECT podinfo.test:9898 HTTP/1.1\r\nHost: podinfo.test:9898\r\n\r\n");
  EXPECT_THAT(tunnel.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  tunnel.send(get);
  EXPECT_THAT(tunnel.response(), testing::EndsWith("b"));
  EXPECT_THAT(page_with("pod-b", "error=\"\"} 6"), HasSubstr("direction=\"inbound\""));
  EXPECT_THAT(page("pod-b"), Not(HasSubstr("outbound"))) << "the host is no pod";
}

TEST_F(MeshTest, ReportsAddressesItCannotHave) {
  std::uint16_t taken = port_;
  const int fd = listen_on(canary_ip_, taken);
  const App b(pod_b_, port_, answering("b"));
  const std::vector<ListenFailure> failures = apply(snapshot(0, 100));
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].address, canary_ip_ + ":9898");
  EXPECT_THAT(failures[0].cause, HasSubstr("in use"));
  Peer peer = client();
  peer.send(get);
  EXPECT_THAT(peer.response(), StartsWith("HTTP/1.1 200 "));
  ::close(fd);
  EXPECT_TRUE(apply(snapshot(0, 100)).empty()) << "the next snapshot tries again";
}

}  // namespace
}  // namespace serin::local::mesh
