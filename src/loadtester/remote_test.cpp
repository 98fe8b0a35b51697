#include "loadtester/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "http/loopback_for_tests.h"
#include "loadtester/concord.h"
#include "loadtester/ngrinder.h"

namespace serin::loadtester {
namespace {

using http::Loopback;
using testing::ElementsAre;
using testing::HasSubstr;

/// A server that answers with a list of bodies, the last one for ever, and keeps what it was asked.
struct Script {
  std::vector<http::Response> answers;
  std::vector<http::Request> asked;

  base::Task<void> answer(http::Request request, http::Responder& responder) {
    const std::size_t turn = std::min(asked.size(), answers.size() - 1);
    asked.push_back(std::move(request));
    http::Response response = answers[turn];
    co_await responder.send(std::move(response));
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> list;
    for (const http::Request& request : asked) list.push_back(request.method + " " + request.url.target);
    return list;
  }
};

enum class Kind { concord, ngrinder };

base::Task<void> run_in(Loopback& loopback, Kind kind, Metadata metadata, base::Duration timeout,
                        Finished& into) {
  metadata["server"] = loopback.url("/some/path").text();
  base::Task<Finished> task =
      kind == Kind::concord ? run_concord(*loopback.client, loopback.clock, std::move(metadata), timeout)
                            : run_ngrinder(*loopback.client, loopback.clock, std::move(metadata), timeout);
  into = co_await std::move(task);
}

Finished play(Kind kind, Script& script, const Metadata& metadata,
              base::Duration timeout = std::chrono::seconds(20)) {
  Finished finished{.failure = "never ended"};
  Loopback::run(
      {},
      [&script](http::Request request, http::Responder& responder) {
        return script.answer(std::move(request), responder);
      },
      {}, [&](Loopback& loopback) { return run_in(loopback, kind, metadata, timeout, finished); });
  return finished;
}

class ConcordTest : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(key_) << "s3cret\n"; }
  void TearDown() override { std::filesystem::remove(key_); }

  std::filesystem::path key_ =
      std::filesystem::temp_directory_path() / ("serin-concord-test-" + std::to_string(::getpid()));
  Metadata metadata_{{"server", "http://concord"},
                     {"org", "o"},
                     {"project", "p"},
                     {"repo", "r"},
                     {"entrypoint", "main"},
                     {"apiKeyPath", key_.string()},
                     {"endpoint", "http://x/"},
                     {"pollInterval", "0"},
                     {"arguments.k\"1", "serin-form-0"}};
};

TEST_F(ConcordTest, StartsAndWaits) {
  Script script{.answers = {{.body = R"({"instanceId":"i 1","ok":true})"},
                            {.body = R"({"status":"RUNNING"})"},
                            {.body = R"({"status":"FINISHED"})"}},
                .asked = {}};
  EXPECT_EQ(play(Kind::concord, script, metadata_).failure, "");
  EXPECT_THAT(script.lines(),
              ElementsAre("POST /api/v1/process", "GET /api/v1/process/i%201", "GET /api/v1/process/i%201"));
  const http::Request& start = script.asked[0];
  EXPECT_EQ(start.headers.get("Authorization"), "s3cret");
  EXPECT_EQ(start.headers.get("Content-Type"), "multipart/form-data; boundary=serin-form-1");
  EXPECT_EQ(
      start.body,
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"arguments.endpoint\"\r\n\r\nhttp://x/\r\n"
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"arguments.k%221\"\r\n\r\nserin-form-0\r\n"
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"entryPoint\"\r\n\r\nmain\r\n"
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"org\"\r\n\r\no\r\n"
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"project\"\r\n\r\np\r\n"
      "--serin-form-1\r\nContent-Disposition: form-data; name=\"repo\"\r\n\r\nr\r\n"
      "--serin-form-1--\r\n");
}

TEST_F(ConcordTest, FailuresAreNamed) {
  const http::Response started{.body = R"({"instanceId":"7","ok":true})"};
  const struct {
    std::vector<http::Response> answers;
    const char* failure;
  } cases[] = {
      {{started, {.body = R"({"status":"FAILED"})"}}, "concord instanceID: 7 failed"},
      {{started, {.body = R"({"status":"CANCELLED"})"}}, "concord instanceID: 7 failed"},
      {{started, {.status = 500, .body = "oops"}}, "failed checking status: 500 Internal Server Error: oops"},
      {{{.body = R"({"ok":false})"}}, R"(failed starting concord process: {"ok":false})"},
      {{{.status = 401, .body = "who are you"}},
       "failed starting concord process: 401 Unauthorized: who are you"},
  };
  for (const auto& c : cases) {
    Script script{.answers = c.answers, .asked = {}};
    EXPECT_EQ(play(Kind::concord, script, metadata_).failure, c.failure);
  }
}

TEST_F(ConcordTest, LimitsOfTime) {
  Script script{.answers = {{.body = R"({"instanceId":"7","ok":true})"}, {.body = R"({"status":"RUNNING"})"}},
                .asked = {}};
  EXPECT_EQ(play(Kind::concord, script, metadata_, std::chrono::milliseconds(300)).failure,
            "context timedout");
  script.asked.clear();
  metadata_["pollInterval"] = "5";
  metadata_["pollTimeout"] = "0";
  EXPECT_EQ(play(Kind::concord, script, metadata_).failure, "concord process timed out, after 0 seconds");
}

TEST_F(ConcordTest, WrongMetadata) {
  const struct {
    const char* field;
    std::optional<std::string> value;  ///< nullopt: absent
    std::string failure;
  } cases[] = {
      {"server", std::nullopt, "`server` is required with type concord"},
      {"endpoint", std::nullopt, "`endpoint` is required with type concord"},
      {"apiKeyPath", "/no/such/file", "`apiKeyPath` file doesn't exist /no/such/file"},
      {"apiKeyPath", "/dev/zero", "`apiKeyPath` file doesn't exist /dev/zero"},
      {"pollInterval", "soon", "unable to convert `pollInterval` to int"},
      {"pollTimeout", "1s", "unable to convert `pollTimeout` to int"},
      {"arguments.endpoint", "x",
       "You cannot override Endpoint through arguments. You must override Endpoint directly"},
  };
  for (const auto& c : cases) {
    Metadata metadata = metadata_;
    if (c.value)
      metadata[c.field] = *c.value;
    else
      metadata.erase(c.field);
    const auto concord = Concord::parse(metadata);
    ASSERT_FALSE(concord.has_value()) << c.field;
    EXPECT_EQ(concord.error().message, c.failure);
  }
}

const Metadata ngrinder_metadata{{"server", "http://ngrinder"},
                                 {"clone", "12"},
                                 {"username", "admin"},
                                 {"passwd", "YWRtaW4="},
                                 {"pollInterval", "1ms"}};

TEST(NgrinderTest, ClonesStartsAndWaits) {
  Script script{.answers = {{.body = R"({"id":34})"},
                            {.body = R"({"status":[{"status_id":"TESTING"}]})"},
                            {.body = R"({"status":[{"status_id":"FINISHED"}]})"}},
                .asked = {}};
  EXPECT_EQ(play(Kind::ngrinder, script, ngrinder_metadata).failure, "");
  EXPECT_THAT(script.lines(),
              ElementsAre("POST /some/path/perftest/api/12/clone_and_start",
                          "GET /some/path/perftest/api/34/status", "GET /some/path/perftest/api/34/status"));
  EXPECT_EQ(script.asked[2].headers.get("Authorization"), "Basic YWRtaW46YWRtaW4=");
}

TEST(NgrinderTest, FailuresAreNamed) {
  const http::Response started{.body = R"({"id":34})"};
  const struct {
    std::vector<http::Response> answers;
    const char* failure;
  } cases[] = {
      {{started, {.body = R"({"status":[{"status_id":"STOP_BY_ERROR"}]})"}},
       "ngrinder test 34 ended with STOP_BY_ERROR"},
      {{{.body = R"({"success":false,"message":"no"})"}},
       R"(failed starting ngrinder test: ngrinder answered {"success":false,"message":"no"})"},
      {{{.body = R"({"name":"x"})"}}, R"(failed starting ngrinder test: {"name":"x"})"},
  };
  for (const auto& c : cases) {
    Script script{.answers = c.answers, .asked = {}};
    EXPECT_EQ(play(Kind::ngrinder, script, ngrinder_metadata).failure, c.failure);
  }
}

TEST(NgrinderTest, IsStoppedAtTheLimit) {
  Script script{.answers = {{.body = R"({"id":34})"}, {.body = R"({"status":[{"status_id":"TESTING"}]})"}},
                .asked = {}};
  EXPECT_EQ(play(Kind::ngrinder, script, ngrinder_metadata, std::chrono::milliseconds(350)).failure,
            "context timedout");
  EXPECT_EQ(script.lines().back(), "PUT /some/path/perftest/api/34?action=stop");
}

TEST(NgrinderTest, WrongMetadata) {
  const struct {
    const char* field;
    std::optional<std::string> value;
    const char* failure;
  } cases[] = {
      {"clone", std::nullopt, "server, clone, username and passwd are required metadata"},
      {"clone", "twelve", "metadata clone must be integer: twelve"},
      {"passwd", "%%%", "metadata password is invalid: "},
      {"server", "here", "invalid url: "},
  };
  for (const auto& c : cases) {
    Metadata metadata = ngrinder_metadata;
    if (c.value)
      metadata[c.field] = *c.value;
    else
      metadata.erase(c.field);
    const auto ngrinder = Ngrinder::parse(metadata);
    ASSERT_FALSE(ngrinder.has_value()) << c.field;
    EXPECT_THAT(ngrinder.error().message, HasSubstr(c.failure));
  }
}

}  // namespace
}  // namespace serin::loadtester
