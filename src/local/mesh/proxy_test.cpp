#include <cmath>

#include "local/mesh/labels.h"
#include "local/mesh/proxy_for_tests.h"

namespace serin::local::mesh {
namespace {

using namespace proxy_testing;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

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

TEST_F(MeshTest, PassesOnTheEndOfWhatLookedLikeTheBeginningOfHttp) {
  const App b(pod_b_, port_, [](Peer& peer) { peer.send("got " + peer.read_all()); });
  apply(snapshot(0, 100));
  Peer peer = client();
  peer.send("GET");
  page_with("caller", "tcp_read_bytes_total{" + outbound_source_labels(service_ip_, 9898) + "} 3\n");
  peer.end_of_sending();
  EXPECT_EQ(peer.read_all(), "got GET");
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

/// As public DNS would lead there: to the port that is asked for, at the Ingress's address.
TEST_F(MeshTest, ForwardsToHostsOfIngresses) {
  const App b(pod_b_, port_, [](Peer& peer) {
    const std::string head = peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nheard " + head);
  });
  MeshSnapshot published = snapshot(0, 100);
  published.hosts = {{"app.example.com", service_ip_}, {"lost.example.com", net_ + "99"}};
  apply(published);
  const auto ask = [this](const std::string& url) {
    Peer peer("127.0.0.1", forward_port_);
    peer.send("GET http://" + url + " HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    return peer.read_all();
  };
  const std::string port = std::to_string(port_);
  const std::string heard = ask("App.example.com:" + port + "/x");
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nheard GET /x HTTP/1.1\r\n"));
  EXPECT_THAT(heard, HasSubstr("ost: App.example.com:" + port + "\r\n")) << "NGINX goes by it";
  EXPECT_THAT(ask("app.example.com/"), HasSubstr("502 ")) << "that address has no port 80";
  EXPECT_THAT(ask("lost.example.com/"), HasSubstr("is neither a pod's address nor a service's"));
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

TEST_F(MeshTest, LetsNobodyWaitWhoSpeaksTlsToItsOwnPorts) {
  const std::string hello = "\x16\x03\x01\x02";
  Peer forward("127.0.0.1", forward_port_);
  forward.send(hello);
  EXPECT_THAT(forward.read_all(), StartsWith("HTTP/1.1 400 "));
  Peer metrics("127.0.0.1", metrics_port_);
  metrics.send(hello);
  EXPECT_EQ(metrics.read_all(), "");
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
