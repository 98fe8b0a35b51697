#include "kube/rest_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fmt/format.h>

#include <fstream>

#include "kube/fake_http_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::kube {
namespace {

using base::Errc;
using base::Result;
using namespace std::chrono_literals;

constexpr const char* conflict_body =
    R"({"kind":"Status","status":"Failure","message":"the object has been modified","reason":"Conflict","code":409})";

class Rest : public ::testing::Test {
 protected:
  RestApi make_api(RestOptions options = {}) {
    Connection connection;
    connection.server = http::Url::parse("https://api:6443").value();
    connection.credentials = credentials;
    return RestApi(connection, http, world.clock, random, std::move(options));
  }
  const http::Request& last() { return http.sent.back().request; }

  testing::World world;
  testing::FakeHttp http;
  base::Random random{1};
  Credentials credentials{.token = "secret"};
};

TEST_F(Rest, RequestsOfEveryVerb) {
  RestApi api = make_api();
  const auto& deployments = resources::deployments;
  const Json object = Json::parse(R"({"metadata":{"name":"podinfo","namespace":"test"}})").value();
  for (int i = 0; i < 8; ++i) http.answer(200, "{}");

  (void)world.get(api.get(deployments, "test", "podinfo"));
  EXPECT_EQ(last().method, "GET");
  EXPECT_EQ(last().url.text(), "https://api:6443/apis/apps/v1/namespaces/test/deployments/podinfo");
  EXPECT_EQ(last().headers.get("Accept"), "application/json");
  EXPECT_EQ(last().headers.get("Authorization"), "Bearer secret");

  (void)world.get(
      api.list(deployments, "", {.label_selector = "app=a,b!=c", .limit = 5, .metadata_only = true}));
  EXPECT_EQ(last().url.target, "/apis/apps/v1/deployments?labelSelector=app%3Da%2Cb%21%3Dc&limit=5");
  EXPECT_EQ(last().headers.get("Accept"),
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");

  (void)world.get(api.create(deployments, "test", object, {.dry_run = true}));
  EXPECT_EQ(last().method, "POST");
  EXPECT_EQ(last().url.target, "/apis/apps/v1/namespaces/test/deployments?fieldManager=flagger&dryRun=All");
  EXPECT_EQ(last().headers.get("Content-Type"), "application/json");
  EXPECT_EQ(last().body, object.dump());

  (void)world.get(api.replace(deployments, object, "status", {}));
  EXPECT_EQ(last().method, "PUT");
  EXPECT_EQ(last().url.target,
            "/apis/apps/v1/namespaces/test/deployments/podinfo/status?fieldManager=flagger");

  const std::pair<PatchType, const char*> patches[] = {
      {PatchType::json, "application/json-patch+json"},
      {PatchType::merge, "application/merge-patch+json"},
      {PatchType::strategic, "application/strategic-merge-patch+json"},
      {PatchType::apply, "application/apply-patch+yaml"}};
  for (const auto& [type, content_type] : patches) {
    (void)world.get(api.patch(deployments, "test", "podinfo", type, object, "", {.force = true}));
    EXPECT_EQ(last().method, "PATCH");
    EXPECT_EQ(last().headers.get("Content-Type"), content_type);
  }
  EXPECT_THAT(last().url.target, ::testing::EndsWith("podinfo?fieldManager=flagger&force=true"));
}

TEST_F(Rest, DeleteCarriesItsPreconditions) {
  RestApi api = make_api();
  http.answer(200, "{}");
  const auto removed = world.get(api.remove(resources::pods, "test", "p",
                                            {.uid = "u", .propagation = "Background", .grace_seconds = 0}));
  EXPECT_TRUE(removed);
  EXPECT_EQ(last().method, "DELETE");
  EXPECT_EQ(last().body, R"({"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u"},)"
                         R"("propagationPolicy":"Background","gracePeriodSeconds":0})");
}

TEST_F(Rest, ListFillsInTypes) {
  RestApi api = make_api();
  http.answer(200, R"({"metadata":{"resourceVersion":"7","continue":"c"},"items":[{"metadata":{"name":"a"}},
      {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"b"}}]})");
  const auto list = world.get(api.list(resources::deployments, "test", {}));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->resource_version, "7");
  EXPECT_EQ(list->continue_token, "c");
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->items[0].dump(), R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}})");
  EXPECT_EQ(list->items[1]["kind"].str(), "Deployment");
}

TEST_F(Rest, ErrorsKeepTheServersMessage) {
  struct Case {
    int status;
    const char* body;
    Errc code;
    const char* message;
  };
  const Case cases[] = {
      {404, R"({"kind":"Status","message":"pods \"p\" not found","reason":"NotFound","code":404})",
       Errc::not_found, "pods \"p\" not found"},
      {409, conflict_body, Errc::conflict, "the object has been modified"},
      {409, R"({"kind":"Status","message":"taken","reason":"AlreadyExists","code":409})",
       Errc::already_exists, "taken"},
      {410, R"({"kind":"Status","message":"too old","reason":"Expired","code":410})", Errc::gone, "too old"},
      {422, R"({"kind":"Status","message":"bad","reason":"Invalid","code":422})", Errc::invalid, "bad"},
      {401, R"({"kind":"Status","message":"Unauthorized","reason":"Unauthorized","code":401})",
       Errc::forbidden, "Unauthorized"},
      {504, R"({"kind":"Status","message":"late","reason":"Timeout","code":504})", Errc::timeout, "late"},
      {404, "404 page not found\n", Errc::not_found,
       "PUT /api/v1/namespaces/test/pods/p: 404 Not Found: 404 page not found"},
      {500, "", Errc::unavailable, "PUT /api/v1/namespaces/test/pods/p: 500 Internal Server Error"},
      {415, "", Errc::rejected, "PUT /api/v1/namespaces/test/pods/p: 415 Unsupported Media Type"},
      {200, "<html>", Errc::internal, nullptr},
  };
  RestApi api = make_api();
  const Json pod = Json::parse(R"({"metadata":{"name":"p","namespace":"test"}})").value();
  for (const Case& c : cases) {
    http.answer(c.status, c.body);
    const auto answer = world.get(api.replace(resources::pods, pod, "", {}));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, c.code) << c.body;
    if (c.message != nullptr) EXPECT_EQ(answer.error().message, c.message);
  }
}

TEST_F(Rest, ReadsAreTriedAgain) {
  RestApi api = make_api();
  http.refuse(Errc::unavailable, "reset");
  http.answer(503, "");
  http.answer(200, R"({"kind":"Pod"})");
  EXPECT_TRUE(world.get(api.get(resources::pods, "test", "p")));
  EXPECT_EQ(http.sent.size(), 3u);
  EXPECT_GT(world.clock.now().time_since_epoch(), 200ms);

  http.sent.clear();
  const auto failed = world.get(api.get(resources::pods, "test", "p"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), (base::Error{Errc::unavailable, "connection refused"}));
  EXPECT_EQ(http.sent.size(), 4u);
}

TEST_F(Rest, WritesAreTriedAgainOnlyWhenRefusedUnseen) {
  RestApi api = make_api();
  http.answer(429, "", {{"Retry-After", "2"}});
  http.answer(201, "{}");
  EXPECT_TRUE(world.get(api.create(resources::pods, "test", Json::object(), {})));
  EXPECT_EQ(world.clock.now().time_since_epoch(), 2s);

  for (const int status : {429, 500, 503}) {
    http.sent.clear();
    http.answer(status, "");
    const auto refused = world.get(api.create(resources::pods, "test", Json::object(), {}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_EQ(http.sent.size(), 1u) << status;
  }
}

TEST_F(Rest, RetriesEndWithTheDeadline) {
  RestApi api = make_api({.timeout = 5s});
  http.answer(429, "", {{"Retry-After", "10"}});
  EXPECT_FALSE(world.get(api.get(resources::pods, "test", "p")));
  EXPECT_EQ(http.sent.size(), 1u);
  EXPECT_EQ(http.sent[0].options.timeout, 5s);
}

base::Task<void> get_many(RestApi* api, int count) {
  for (int i = 0; i < count; ++i) (void)co_await api->get(resources::pods, "test", "p");
}

TEST_F(Rest, RateIsLimitedAfterTheBurst) {
  RestApi api = make_api({.per_second = 10, .burst = 5});
  for (int i = 0; i < 15; ++i) http.answer(200, "{}");
  world.run(get_many(&api, 5));
  EXPECT_EQ(world.clock.now().time_since_epoch(), 0s);
  world.run(get_many(&api, 10));
  EXPECT_EQ(world.clock.now().time_since_epoch(), 1s);
}

TEST_F(Rest, CountsAttempts) {
  std::vector<std::string> samples;
  RestApi api = make_api({.on_request = [&](const RequestSample& sample) {
    samples.push_back(fmt::format("{} {} {}", sample.verb, sample.resource, sample.status));
  }});
  http.refuse(Errc::unavailable, "reset");
  http.answer(200, "{}");
  (void)world.get(api.list(resources::deployments, "test", {}));
  http.answer(200, "{}");
  (void)world.get(api.get_path("/version"));
  EXPECT_THAT(samples, ::testing::ElementsAre("list deployments.apps 0", "list deployments.apps 200",
                                              "get /version 200"));
}

TEST_F(Rest, TokenFilesAreReadAgain) {
  const auto file =
      std::filesystem::temp_directory_path() / fmt::format("serin-token-{}-{}", getpid(), random.next());
  credentials = {.token_file = file};
  RestApi api = make_api();
  const auto bearer = [&] {
    http.answer(200, "{}");
    (void)world.get(api.get_path("/version"));
    return std::string(last().headers.get("Authorization"));
  };
  std::ofstream(file) << "one\n";
  EXPECT_EQ(bearer(), "Bearer one");
  std::ofstream(file) << "two\n";
  EXPECT_EQ(bearer(), "Bearer one");
  world.run(world.clock.sleep_for(61s));
  EXPECT_EQ(bearer(), "Bearer two");
  std::filesystem::remove(file);
  world.run(world.clock.sleep_for(61s));
  EXPECT_EQ(bearer(), "Bearer two");
}

// --- Watches

/// Everything a watch says: "ADDED a", "end", or the error's code.
base::Task<std::vector<std::string>> drain(RestApi* api) {
  std::vector<std::string> said;
  auto watch = co_await api->watch(resources::pods, "test", "5", {});
  if (!watch) {
    said.push_back(std::string(base::name_of(watch.error().code)));
    co_return said;
  }
  while (true) {
    auto event = co_await (*watch)->next();
    if (!event) {
      said.push_back(std::string(base::name_of(event.error().code)));
      co_return said;
    }
    if (!event->has_value()) {
      said.push_back("end");
      co_return said;
    }
    said.push_back(fmt::format("{} {}", static_cast<int>((*event)->type), name_of((*event)->object)));
  }
}

TEST_F(Rest, WatchFramesOnNewlines) {
  const std::string a = R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})";
  const std::string b = R"({"type":"MODIFIED","object":{"metadata":{"name":"b"}}})";
  const std::string c = R"({"type":"DELETED","object":{"metadata":{"name":"c"}}})";
  const std::string mark = R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}})";
  const std::string gone = R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})";
  struct Case {
    std::vector<testing::FakeHttp::Piece> pieces;
    std::vector<std::string> said;
  };
  const std::vector<Case> cases = {
      {{a + "\n"}, {"0 a", "end"}},
      {{a + "\n" + b + "\n" + c + "\n"}, {"0 a", "1 b", "2 c", "end"}},
      {{a.substr(0, 20), a.substr(20) + "\n" + b.substr(0, 3), b.substr(3), "\n"}, {"0 a", "1 b", "end"}},
      {{mark + "\r\n\n"}, {"3 ", "end"}},
      {{a + "\n" + b.substr(0, 9)}, {"0 a", "unavailable"}},
      {{a + "\n", base::fail(Errc::unavailable, "reset")}, {"0 a", "unavailable"}},
      {{gone + "\n"}, {"gone"}},
      {{"nonsense\n"}, {"invalid"}},
      {{R"({"type":"NEW","object":{}})"
        "\n"},
       {"internal"}},
  };
  for (const Case& c2 : cases) {
    RestApi api = make_api();
    http.stream(c2.pieces);
    EXPECT_EQ(world.get(drain(&api)), c2.said);
  }
  EXPECT_THAT(last().url.target,
              ::testing::MatchesRegex("/api/v1/namespaces/test/pods\\?watch=true&allowWatchBookmarks=true"
                                      "&resourceVersion=5&timeoutSeconds=[3-5][0-9][0-9]"));
}

TEST_F(Rest, WatchRefusals) {
  RestApi api = make_api();
  http.answer(410, R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})");
  EXPECT_EQ(world.get(drain(&api)), std::vector<std::string>{"gone"});
  http.answer(404, "404 page not found");
  EXPECT_EQ(world.get(drain(&api)), std::vector<std::string>{"not_found"});
  http.refuse(Errc::unavailable, "reset");
  EXPECT_EQ(world.get(drain(&api)), std::vector<std::string>{"unavailable"});
}

}  // namespace
}  // namespace serin::kube
