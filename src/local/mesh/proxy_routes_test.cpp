// HTTPRoutes over real connections, and requests that are repeated.
#include "base/yaml.h"
#include "local/mesh/proxy_for_tests.h"

namespace serin::local::mesh {
namespace {

using namespace proxy_testing;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ProxyRoutesTest : public MeshTest {
 protected:
  /// podinfo with this route: its rules name podinfo-canary (pod a) and podinfo-primary (pod b).
  void apply_route(const char* spec) {
    MeshSnapshot made = snapshot(0, 0);
    made.services[0].split.clear();
    made.services[0].routes = {
        {.name = "podinfo.test", .client_ns = "", .port = 0, .spec = base::parse_yaml(spec).value().at(0)}};
    ASSERT_TRUE(apply(made).empty());
  }
  static std::string ask(Peer& peer, const std::string& target, const std::string& fields = "",
                         const std::string& method = "GET") {
    peer.send(method + " " + target + " HTTP/1.1\r\nHost: podinfo.test\r\n" + fields + "\r\n");
    return peer.response();
  }
};

/// Answers with the head it got.
void echo(Peer& peer) {
  for (std::string head = peer.read_until("\r\n\r\n"); !head.empty(); head = peer.read_until("\r\n\r\n")) {
    peer.send("HTTP/1.1 200 OK\r\nServer: app\r\nContent-Length: " + std::to_string(head.size()) +
              "\r\n\r\n" + head);
  }
}

TEST_F(ProxyRoutesTest, RuleEveryRequestOfAConnection) {
  const App a(pod_a_, port_, answering("a")), b(pod_b_, port_, answering("b"));
  apply_route(R"(
rules:
- matches: [{path: {value: /}, headers: [{name: x-canary, value: insider}]}]
  backendRefs: [{name: podinfo-primary, port: 9898, weight: 0}, {name: podinfo-canary, port: 9898, weight: 100}]
- matches: [{path: {value: /api}}]
  backendRefs: [{name: podinfo-primary, port: 9898}]
- matches: [{path: {value: /gone}}]
  backendRefs: [{name: nobody, port: 9898}]
- matches: [{path: {value: /old}}]
  filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}]
)");
  Peer peer = client();
  EXPECT_THAT(ask(peer, "/", "X-Canary: insider\r\n"), testing::EndsWith("\r\n\r\na"));
  EXPECT_THAT(ask(peer, "/api/x?y"), testing::EndsWith("\r\n\r\nb"));
  EXPECT_THAT(ask(peer, "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask(peer, "/gone"), HasSubstr("l5d-proxy-error: Service not found nobody"));
  const std::string redirect = ask(peer, "/old/x?y");
  EXPECT_THAT(redirect, StartsWith("HTTP/1.1 302 "));
  EXPECT_THAT(redirect, HasSubstr("Location: http://podinfo.test/new/x?y\r\n"));
  EXPECT_THAT(ask(peer, "/api"), testing::EndsWith("\r\n\r\nb")) << "the connection goes on";
}

TEST_F(ProxyRoutesTest, EditHeaders) {
  const App a(pod_a_, port_, echo);
  apply_route(R"(
rules:
- filters:
  - type: RequestHeaderModifier
    requestHeaderModifier:
      add: [{name: x-more, value: two}, {name: Content-Length, value: "5"}]
      set: [{name: X-Set, value: new}]
      remove: [x-secret, Host]
  backendRefs:
  - name: podinfo-canary
    port: 9898
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {add: [{name: Set-Cookie, value: flagger-cookie=abc; Max-Age=60}], remove: [server]}
)");
  Peer peer = client();
  const std::string answer = ask(peer, "/", "x-more: one\r\nx-set: old\r\nx-secret: 1\r\n");
  const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
  const std::string seen = answer.substr(head.size() + 2);
  EXPECT_THAT(head, HasSubstr("Set-Cookie: flagger-cookie=abc; Max-Age=60\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Server: app")));
  EXPECT_THAT(seen, HasSubstr("x-more: one\r\n"));
  EXPECT_THAT(seen, HasSubstr("x-more: two\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Set: new\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("old")));
  EXPECT_THAT(seen, Not(HasSubstr("x-secret")));
  EXPECT_THAT(seen, HasSubstr("Host: podinfo.test\r\n")) << "what names and frames the request stays";
  EXPECT_THAT(seen, Not(HasSubstr("Content-Length")));
}

TEST_F(ProxyRoutesTest, TimeOut) {
  std::promise<void> over;
  const std::shared_future<void> until = over.get_future().share();
  const App a(pod_a_, port_, [until](Peer& peer) {
    const std::string head = peer.read_until("\r\n\r\n");
    if (head.starts_with("GET /half")) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    until.wait();
  });
  apply_route("rules: [{timeouts: {request: 200ms}, backendRefs: [{name: podinfo-canary, port: 9898}]}]");
  Peer peer = client();
  EXPECT_THAT(ask(peer, "/"), StartsWith("HTTP/1.1 504 "));
  peer.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer.read_all(), testing::EndsWith("half")) << "cut off, as the response has begun";
  EXPECT_THAT(page_with("caller", "status_code=\"504\""), HasSubstr("status_code=\"504\""));
  EXPECT_THAT(page("pod-a"), Not(HasSubstr("status_code=\"504\""))) << "the pod has not answered that";
  over.set_value();
}

TEST_F(ProxyRoutesTest, TryAgainAsTheRouteSays) {
  std::atomic<int> requests = 0;
  std::promise<void> over;
  const std::shared_future<void> until = over.get_future().share();
  const App a(pod_a_, port_, [&requests, until](Peer& peer) {
    for (std::string head = peer.read_until("\r\n\r\n"); !head.empty(); head = peer.read_until("\r\n\r\n")) {
      const int nth = ++requests;
      const bool bad = head.starts_with("GET /never") || (head.starts_with("GET /twice") && nth < 3);
      if (head.starts_with("GET /hang") && nth == 1) until.wait();
      peer.send(bad ? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
                    : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  });
  apply_route(R"(
retry: {http: gateway-error, limit: '2', timeout: 200ms}
rules: [{backendRefs: [{name: podinfo-canary, port: 9898}]}]
)");
  Peer peer = client();
  const auto ask_for = [&](const std::string& target, const std::string& fields = "") {
    requests = 0;
    return ask(peer, target, fields).substr(9, 3) + " after " + std::to_string(requests);
  };
  EXPECT_EQ(ask_for("/twice"), "200 after 3");
  EXPECT_EQ(ask_for("/never"), "503 after 3");
  EXPECT_EQ(ask_for("/hang"), "200 after 2");
  const std::string end = "classification=\"failure\",grpc_status=\"\",error=\"\"} 5\n";
  EXPECT_THAT(page_with("pod-a", end), HasSubstr("status_code=\"503\"," + end)) << "every try is counted";
  EXPECT_EQ(ask_for("/never", "Content-Length: 2\r\n"), "503 after 1") << "a body is sent once";
  over.set_value();
}

TEST_F(ProxyRoutesTest, RepeatsIdempotentRequestsThatAKeptConnectionSwallowed) {
  // Answers the first request of each connection, reads the second and hangs up.
  const App b(pod_b_, port_, [](Peer& peer) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.read_until("\r\n\r\n");
  });
  apply(snapshot(0, 100));
  Peer peer = client();
  EXPECT_THAT(ask(peer, "/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(peer, "/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(peer, "/", "", "HEAD"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(peer, "/", "", "OPTIONS"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(b.accepted(), 4);
  EXPECT_THAT(ask(peer, "/", "", "POST"), StartsWith("HTTP/1.1 502 ")) << "might have been done";
  EXPECT_EQ(b.accepted(), 4);
  EXPECT_THAT(ask(peer, "/", "", "POST"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(peer, "/", "Content-Length: 2\r\n"), Not(StartsWith("HTTP/1.1 200 ")))
      << "a body is sent once";
}

TEST_F(ProxyRoutesTest, DoesNotRepeatWhatAFreshConnectionRefuses) {
  const App b(pod_b_, port_, [](Peer& peer) { peer.read_until("\r\n\r\n"); });
  apply(snapshot(0, 100));
  Peer peer = client();
  EXPECT_THAT(ask(peer, "/"), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(b.accepted(), 1);
}

}  // namespace
}  // namespace serin::local::mesh
