#include "local/streaming/stream_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "local/streaming/exec_sessions.h"
#include "local/streaming/pipes.h"

namespace serin::local {
namespace {

namespace asio = boost::asio;
using namespace std::string_literals;
using base::Errc;
using base::Result;
using base::Task;
using testing::ElementsAre;
using testing::HasSubstr;

/// The wire: bytes a script has put in, bytes the server has sent.
class FakeDuplex final : public http::Duplex {
 public:
  FakeDuplex(Inbox& in, std::string& out) : in_(in), out_(out) {}
  Task<Result<std::optional<std::string>>> read() override { return in_.pop(); }
  Task<Result<void>> write(std::string bytes) override {
    out_ += bytes;
    co_return Result<void>{};
  }
  void close() override {}

 private:
  Inbox& in_;
  std::string& out_;
};

class FakeResponder final : public http::Responder {
 public:
  explicit FakeResponder(const base::Executor& executor) : in(executor) {}
  Task<Result<void>> send(http::Response response) override {
    head = std::move(response);
    co_return Result<void>{};
  }
  Task<Result<void>> start(http::Response) override { return refuse(); }
  Task<Result<void>> write(std::string) override { return refuse(); }
  Task<Result<void>> finish() override { return refuse(); }
  Task<Result<std::unique_ptr<http::Duplex>>> upgrade(http::Response response) override {
    head = std::move(response);
    std::unique_ptr<http::Duplex> duplex = std::make_unique<FakeDuplex>(in, out);
    co_return duplex;
  }
  void abandon() override {}
  Task<void> closed() override { co_return; }
  const http::Peer& peer() const override { return peer_; }

  Inbox in;
  std::string out;
  http::Response head;

 private:
  static Task<Result<void>> refuse() { co_return base::fail(Errc::internal, "not part of the test"); }
  http::Peer peer_;
};

/// Runs "cat", which ends with 7 when its stdin ends; "hang", which never does; and nothing else.
class FakeNode final : public NodeApi {
 public:
  explicit FakeNode(base::Executor executor) : executor_(std::move(executor)) {}

  Task<Result<std::unique_ptr<LogStream>>> logs(ContainerRef, LogOptions) override {
    co_return base::fail(Errc::internal, "not part of the test");
  }
  Task<Result<void>> exec(ExecRequest request, ExecSession& session) override {
    struct Note {
      ~Note() { story.emplace_back("ended"); }
      std::vector<std::string>& story;
    } note{story};
    if (request.command.at(0) == "hang") {
      base::Wakeup never(executor_);
      co_await never.wait();
    }
    if (request.command.at(0) != "cat") co_return base::fail(Errc::invalid, "no such command");
    while (true) {
      Result<std::optional<std::string>> bytes = co_await session.read_stdin();
      if (!bytes) co_return base::fail(bytes.error());
      if (!*bytes) break;
      co_await session.write(1, std::move(**bytes));
    }
    co_await session.write(2, "bye");
    co_await session.finish(exec_exit_code(7));
    co_return Result<void>{};
  }
  Task<Result<void>> attach(ExecRequest request, ExecSession& session) override {
    return exec(request, session);
  }
  Task<Result<std::unique_ptr<PortStream>>> dial(std::string, std::string, std::uint16_t port) override {
    co_return base::fail(Errc::unavailable, "port " + std::to_string(port) + " refused");
  }

  std::vector<std::string> story;

 private:
  base::Executor executor_;
};

/// Time stands still, so that nothing ends by a deadline.
class StoppedClock final : public base::Clock {
 public:
  base::WallTime wall_now() const override { return {}; }
  base::MonoTime now() const override { return {}; }
  Task<void> sleep_until(base::MonoTime) override {
    const base::Executor executor = co_await asio::this_coro::executor;
    base::Wakeup never(executor);
    co_await never.wait();
  }
};

class StreamServerTest : public testing::Test {
 protected:
  /// Feeds the script, then hangs up; returns when the server is done.
  void run(const std::string& script, http::Headers headers, std::string command,
           StreamRequest::Kind kind = StreamRequest::Kind::exec) {
    StreamRequest stream{.kind = kind};
    stream.exec = {.ns = "test",
                   .pod = "podinfo-0",
                   .container = "c",
                   .command = {std::move(command)},
                   .stdin_wanted = true,
                   .stdout_wanted = true,
                   .stderr_wanted = true};
    bool done = false;
    io_.restart();
    http::Request request{.headers = std::move(headers)};
    asio::co_spawn(io_, server_.handle(std::move(request), responder_, std::move(stream)),
                   [&done](std::exception_ptr error) {
                     done = true;
                     if (error) std::rethrow_exception(error);
                   });
    asio::co_spawn(io_, responder_.in.push(script), [](std::exception_ptr) {});
    io_.poll();  // all that can happen without the user happens
    responder_.in.end();
    while (!done) io_.run_one();
  }
  /// The server's data frames, by stream.
  std::map<std::uint32_t, std::string> spdy_output() {
    SpdyDecoder decoder;
    decoder.feed(responder_.out);
    std::map<std::uint32_t, std::string> streams;
    while (true) {
      const auto frame = decoder.next();
      if (!frame || !*frame) return streams;
      if (const auto* data = std::get_if<SpdyData>(&**frame))
        streams[data->id] += data->bytes + (data->fin ? "$" : "");
    }
  }
  static std::string open_streams(SpdyEncoder& encoder) {
    std::string bytes;
    std::uint32_t id = 1;
    for (const char* type : {"error", "stdin", "stdout", "stderr"}) {
      bytes += encoder.encode(SpdySynStream{id, {{"streamtype", type}}});
      id += 2;
    }
    return bytes;
  }

  asio::io_context io_;
  StoppedClock clock_;
  FakeNode node_{io_.get_executor()};
  StreamServer server_{io_.get_executor(), clock_, node_};
  FakeResponder responder_{io_.get_executor()};
};

const http::Headers spdy_headers{{"Upgrade", "SPDY/3.1"},
                                 {"X-Stream-Protocol-Version", "v4.channel.k8s.io"},
                                 {"X-Stream-Protocol-Version", "channel.k8s.io"}};
const http::Headers websocket_headers{{"Upgrade", "websocket"},
                                      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                      {"Sec-WebSocket-Protocol", "v5.channel.k8s.io, v4.channel.k8s.io"}};

/// A masked message whose mask is zero, so that it can be read.
std::string message(std::uint8_t opcode, const std::string& payload) {
  return std::string(1, static_cast<char>(0x80 | opcode)) + static_cast<char>(0x80 | payload.size()) +
         "\0\0\0\0"s + payload;
}

TEST_F(StreamServerTest, ACommandOverSpdy) {
  SpdyEncoder encoder;
  run(open_streams(encoder) + encoder.encode(SpdyData{3, "hello", true}) + encoder.encode(SpdyPing{1}),
      spdy_headers, "cat");
  EXPECT_EQ(responder_.head.status, 101);
  EXPECT_EQ(responder_.head.headers.get("X-Stream-Protocol-Version"), "v4.channel.k8s.io");
  auto streams = spdy_output();
  EXPECT_EQ(streams[5], "hello$");
  EXPECT_EQ(streams[7], "bye$");
  EXPECT_EQ(streams[3], "$");
  EXPECT_EQ(streams[1], exec_exit_code(7).dump() + "$");
}

TEST_F(StreamServerTest, ACommandThatCannotBeRunSaysWhy) {
  SpdyEncoder encoder;
  run(open_streams(encoder), spdy_headers, "unknown");
  EXPECT_EQ(spdy_output()[1], exec_failure("no such command").dump() + "$");
}

TEST_F(StreamServerTest, ACommandEndsWithItsUser) {
  SpdyEncoder encoder;
  run(open_streams(encoder), spdy_headers, "hang");
  EXPECT_THAT(node_.story, ElementsAre("ended"));
}

TEST_F(StreamServerTest, MalformedFramesEndTheConnection) {
  SpdyEncoder encoder;
  run(open_streams(encoder) + "\x80\x63\x00\x01\x00\x00\x00\x00"s, spdy_headers, "hang");
  EXPECT_THAT(responder_.out, HasSubstr("\x80\x03\x00\x07"s));  // GOAWAY
}

TEST_F(StreamServerTest, StreamsThatNeverComeStartNothing) {
  SpdyEncoder encoder;
  run(encoder.encode(SpdySynStream{1, {{"streamtype", "error"}}}), spdy_headers, "hang");
  EXPECT_EQ(spdy_output().size(), 0u);
}

TEST_F(StreamServerTest, ACommandOverWebSocket) {
  run(message(2, "\0hello"s) + message(9, "ping") + message(2, "\xff\0"s), websocket_headers, "cat");
  EXPECT_EQ(responder_.head.headers.get("Sec-WebSocket-Protocol"), "v5.channel.k8s.io");
  WebSocketDecoder decoder(WebSocketPeer::server);
  decoder.feed(responder_.out);
  std::vector<std::string> messages;
  while (true) {
    const auto found = decoder.next();
    if (!found || !*found) break;
    messages.push_back((*found)->payload);
  }
  EXPECT_THAT(messages, testing::UnorderedElementsAre("\1"s, "\1hello"s, "ping"s, "\2bye"s,
                                                      "\3"s + exec_exit_code(7).dump(), "\x03\xe8"s));
}

TEST_F(StreamServerTest, AMalformedWebSocketEndsTheCommand) {
  run("\x82\x01x"s, websocket_headers, "hang");
  EXPECT_THAT(node_.story, ElementsAre("ended"));
}

TEST_F(StreamServerTest, ARefusedPortIsToldOnTheErrorStream) {
  SpdyEncoder encoder;
  const auto headers = [](const char* type) {
    return SpdyHeaders{{"streamtype", type}, {"port", "9898"}, {"requestid", "0"}};
  };
  run(encoder.encode(SpdySynStream{1, headers("error")}) + encoder.encode(SpdySynStream{3, headers("data")}),
      {{"Upgrade", "SPDY/3.1"}, {"X-Stream-Protocol-Version", "portforward.k8s.io"}}, "",
      StreamRequest::Kind::portforward);
  auto streams = spdy_output();
  EXPECT_EQ(streams[1], "error forwarding port 9898 to pod podinfo-0: port 9898 refused$");
  EXPECT_EQ(streams[3], "$");
}

TEST_F(StreamServerTest, WhatIsNotUnderstoodIsRefused) {
  const http::Headers cases[] = {{},
                                 {{"Upgrade", "h2c"}},
                                 {{"Upgrade", "SPDY/3.1"}, {"X-Stream-Protocol-Version", "channel.k8s.io"}},
                                 {{"Upgrade", "websocket"}, {"Sec-WebSocket-Protocol", "chat"}}};
  for (const http::Headers& headers : cases) {
    run("", headers, "cat");
    EXPECT_EQ(responder_.head.status, 400);
  }
  EXPECT_TRUE(node_.story.empty());
}

TEST(TerminalSizes, AreTakenOneByOne) {
  std::string text = "{\"Width\":80,\"Height\":24}\n{\"Width\":70000,\"Hei";
  const auto first = take_terminal_size(text);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->width, 80);
  EXPECT_EQ(first->height, 24);
  EXPECT_FALSE(take_terminal_size(text).has_value());
  text += "ght\":-1}";
  const auto second = take_terminal_size(text);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->width, 65535);
  EXPECT_EQ(second->height, 0);
}

}  // namespace
}  // namespace serin::local
