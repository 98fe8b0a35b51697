#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "http/client.h"
#include "loadtester/processes_for_tests.h"
#include "loadtester/run.h"

// The load tester as a process of its own, with real commands.

namespace serin::loadtester {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using Words = std::vector<std::string>;

base::Task<void> send_into(http::Client& client, http::Request request, http::Response& into) {
  auto response = co_await client.send(std::move(request), {});
  into = response ? std::move(*response) : http::Response{0, {}, response.error().message};
}

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("serin-tester-test-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    if (tester_ > 0) end(SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  void start(Words args, Words more_environment = {}) {
    args.insert(args.begin(), "-port=0");
    Words environment = std::move(more_environment);
    environment.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
    const std::string log = path("log");
    std::filesystem::remove(log);
    tester_ = ::fork();
    ASSERT_GE(tester_, 0);
    if (tester_ == 0) {
      if (std::freopen(log.c_str(), "w", stderr) == nullptr) ::_exit(99);
      ::_exit(run_loadtester(args, {"127.0.0.1", environment}));
    }
    const std::string before_port = "API on port ";
    std::string text;
    ASSERT_TRUE(becomes_true([&] {
      text = read("log");
      return text.contains(before_port);
    })) << text;
    port_ = std::to_string(std::stoi(text.substr(text.find(before_port) + before_port.size())));
  }
  /// Ends the tester and returns its exit code; -1 when it was killed.
  int end(int signal) {
    ::kill(std::exchange(tester_, 0), signal);
    int status = 0;
    ::waitpid(-1, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  http::Response post(const std::string& target, std::string body, http::Headers headers = {}) {
    asio::io_context io;
    const auto client = http::make_client(io.get_executor(), {}).value();
    http::Request request{
        "POST", {"http", "127.0.0.1", port_, target, {}}, std::move(headers), std::move(body)};
    http::Response response;
    bool ended = false;
    asio::co_spawn(io, send_into(*client, std::move(request), response),
                   [&ended](std::exception_ptr) { ended = true; });
    while (!ended) io.run_one();
    return response;
  }
  http::Response task(std::initializer_list<base::Json::Member> metadata, http::Headers headers = {}) {
    return post("/", task_body(metadata), std::move(headers));
  }
  static std::string task_body(std::initializer_list<base::Json::Member> metadata) {
    return base::Json::object(
               {{"name", "podinfo"}, {"namespace", "test"}, {"metadata", base::Json::object(metadata)}})
        .dump();
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// The process id that a command writes into this file.
  [[nodiscard]] pid_t pid_in(const std::string& name) const {
    becomes_true([&] { return read(name).ends_with('\n'); });
    const std::string text = read(name);
    return text.empty() ? 0 : std::stoi(text);
  }

  std::filesystem::path folder_;
  std::string port_;
  pid_t tester_ = 0;
};

constexpr const char* podinfo = R"({"name":"podinfo","namespace":"test"})";

TEST_F(ServerTest, RunsWhatItIsSent) {
  start({});
  EXPECT_THAT(read("log"), HasSubstr("can run any command"));
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "echo a | tr a b"}, {"returnCmdOutput", "true"}}).body, "b\n");
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "echo out; exit 7"}}).body,
            "command echo out; exit 7 failed: out\n: exit status 7");
  EXPECT_EQ(task({{"cmd", "echo done > " + path("done")}}).status, 202);
  EXPECT_TRUE(becomes_true([this] { return read("done") == "done\n"; }));
  EXPECT_EQ(end(SIGTERM), 0);
}

TEST_F(ServerTest, AToolThatIsNotThereIsNamed) {
  start({}, {"PATH=" + path("nowhere")});
  EXPECT_EQ(task({{"type", "helm"}, {"cmd", "test podinfo"}}).body,
            "command test podinfo failed: : exec: \"helm\": executable file not found in $PATH");
  EXPECT_EQ(task({{"type", "kubectl"}, {"cmd", "get pods"}}).body,
            "command get pods failed: : exec: \"kubectl\": executable file not found in $PATH");
  EXPECT_EQ(task({{"cmd", "hey x"}, {"failOnError", "true"}}).status, 202);
  EXPECT_TRUE(becomes_true([this] { return read("log").contains("executable file not found"); }));
}

TEST_F(ServerTest, BadInputIsRefusedAndHarmsNothing) {
  start({});
  const struct {
    std::string body;
    int status;
    const char* text;
  } cases[] = {
      {"", 400, ""},
      {"{", 400, ""},
      {"[]", 400, ""},
      {R"({"metadata":"x"})", 400, ""},
      {R"({"metadata":{"cmd":5}})", 400, ""},
      {std::string(100'000, '['), 400, ""},
      {podinfo, 400, "metadata not found in payload"},
      {R"({"metadata":{}})", 400, "metadata not found in payload"},
      {R"({"metadata":{"type":"cmd"}})", 400, "cmd not found in metadata"},
      {R"({"metadata":{"type":"k6","script":"x"}})", 400,
       "unknown task type k6; there are cmd, bash, helm, helmv3, kubectl, concord, ngrinder"},
  };
  for (const auto& c : cases) {
    const http::Response response = post("/", c.body);
    EXPECT_EQ(response.status, c.status) << c.body.substr(0, 100);
    EXPECT_EQ(response.body, c.text) << c.body.substr(0, 100);
  }
  EXPECT_EQ(post("/", std::string(2u << 20, ' ')).status, 413);
  EXPECT_EQ(post("/healthz", "").body, "OK");
}

TEST_F(ServerTest, ASecretIsAskedForAtEveryDoor) {
  start({}, {"LOADTESTER_AUTH_TOKEN=s3cret"});
  for (const char* door : {"/", "/gate/open", "/gate/check", "/gate/approve", "/rollback/open"}) {
    EXPECT_EQ(post(door, podinfo).status, 401) << door;
    EXPECT_EQ(post(door, podinfo, {{"Authorization", "Bearer guess"}}).status, 401) << door;
  }
  EXPECT_EQ(post("/healthz", "").status, 200);
  const http::Headers known{{"Authorization", "Bearer s3cret"}};
  EXPECT_EQ(post("/gate/open", podinfo, known).status, 202);
  EXPECT_EQ(post("/gate/check", podinfo, known).body, "Approved");
  // The commands don't get to know it.
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "env"}, {"returnCmdOutput", "1"}}, known).body.find("s3cret"),
            std::string::npos);
  EXPECT_THAT(read("log"), HasSubstr("request to /gate/open refused: Unauthorized"));
  EXPECT_THAT(read("log"), HasSubstr("\"client\":\"127.0.0.1:"));
}

TEST_F(ServerTest, OnlyAllowedProgramsAreRun) {
  start({"-allow-commands=echo, tr"});
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "echo 'a;c' | tr a b"}, {"returnCmdOutput", "1"}}).body, "b;c\n");
  for (const char* command : {"touch x", "echo x; touch x", "echo $(touch x)", "echo x > file", ""}) {
    const http::Response response = task({{"type", "bash"}, {"cmd", command}});
    EXPECT_EQ(response.status, 403) << command;
    EXPECT_EQ(response.body, std::string("command not allowed: ") + command);
  }
  EXPECT_EQ(task({{"type", "helm"}, {"cmd", "echo"}}).status, 403);
  EXPECT_EQ(task({{"type", "concord"}, {"server", "http://x"}}).status, 403);
}

TEST_F(ServerTest, WebPagesAreRefused) {
  start({});
  EXPECT_EQ(post("/gate/open", podinfo, {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(post("/gate/check", podinfo).status, 403);
}

TEST_F(ServerTest, AnOpenGateSurvivesARestart) {
  start({"-gate-store=" + path("gates.json")});
  EXPECT_EQ(post("/gate/open", podinfo).status, 202);
  EXPECT_EQ(end(SIGKILL), -1);
  start({"-gate-store=" + path("gates.json")});
  EXPECT_EQ(post("/gate/check", podinfo).body, "Approved");
  EXPECT_EQ(post("/rollback/check", podinfo).status, 403);
}

TEST_F(ServerTest, AHangingCommandEndsAtTheTimeout) {
  start({"-timeout=500ms"});
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "echo x; sleep 1000"}}).body,
            "command echo x; sleep 1000 failed: x\n: signal: killed");
}

TEST_F(ServerTest, AHangingCommandEndsWithItsCaller) {
  start({});
  const std::string body =
      task_body({{"type", "bash"}, {"cmd", "echo $$ > " + path("pid") + "; sleep 1000"}});
  {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(std::stoi(port_))});
    asio::write(socket, asio::buffer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                     std::to_string(body.size()) + "\r\n\r\n" + body));
    EXPECT_TRUE(lives(pid_in("pid")));
  }
  EXPECT_TRUE(becomes_true([this] { return !lives(pid_in("pid")); }));
  EXPECT_TRUE(becomes_true([this] { return read("log").contains("its caller has gone"); }));
}

TEST_F(ServerTest, TheNextRequestIsToldOfAFailureIfItWantsTo) {
  start({});
  const std::initializer_list<base::Json::Member> wanting = {{"cmd", "echo no; exit 3"},
                                                             {"failOnError", "true"}};
  EXPECT_EQ(task(wanting).status, 202);
  EXPECT_TRUE(becomes_true([this] { return read("log").contains("exit status 3"); }));
  const http::Response told = task(wanting);
  EXPECT_EQ(told.status, 500);
  EXPECT_EQ(told.body, "the last run failed: command echo no; exit 3 failed: no\n: exit status 3");
}

TEST_F(ServerTest, AtMostSoManyTasks) {
  start({"-max-tasks=1"});
  EXPECT_EQ(task({{"cmd", "sleep 1000"}}).status, 202);
  EXPECT_EQ(task({{"cmd", "sleep 1000"}}).status, 202);  // the same one
  EXPECT_EQ(task({{"cmd", "sleep 1001"}}).status, 503);
  EXPECT_EQ(task({{"type", "bash"}, {"cmd", "true"}}).status, 503);
}

TEST_F(ServerTest, NothingIsLeftWhenItEnds) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    std::filesystem::remove(path("pid"));
    start({});
    EXPECT_EQ(task({{"cmd", "setsid sh -c 'echo $$ > " + path("pid") + "; sleep 1000' & wait"}}).status, 202);
    const pid_t pid = pid_in("pid");
    EXPECT_TRUE(lives(pid));
    EXPECT_EQ(end(signal), signal == SIGTERM ? 0 : -1);
    EXPECT_TRUE(becomes_true([pid] { return !lives(pid); }));
  }
}

TEST(RunLoadtester, WrongFlagsAndFilesEndItWithTwo) {
  EXPECT_EQ(run_loadtester({"-bogus"}, {}), 2);
  EXPECT_EQ(run_loadtester({"-token-file=/no/such/file"}, {}), 2);
  EXPECT_EQ(run_loadtester({"-gate-store=/no/such/folder/gates"}, {}), 2);
  EXPECT_EQ(run_loadtester({"-help"}, {}), 0);
}

}  // namespace
}  // namespace serin::loadtester
