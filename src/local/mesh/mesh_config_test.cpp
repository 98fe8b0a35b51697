#include "local/mesh/mesh_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace serin::local {
namespace {

using base::Json;

MeshSnapshot sample() {
  MeshSnapshot snapshot{.generation = 7};
  snapshot.services.push_back(
      {.ns = "test",
       .name = "podinfo",
       .cluster_ip = "10.96.0.5",
       .ports = {{.name = "http",
                  .port = 9898,
                  .opaque = false,
                  .endpoints = {{"10.244.0.7", 9898, {"test", "podinfo-primary-1"}, true},
                                {"10.244.0.9", 9898, {}, false}}}},
       .split = {{"podinfo-canary", 10000}, {"podinfo-primary", 90000}}});
  snapshot.services.push_back({.ns = "test", .name = "headless"});
  snapshot.pods.push_back({.ns = "test",
                           .name = "podinfo-primary-1",
                           .ip = "10.244.0.7",
                           .deployment = "podinfo-primary",
                           .service_account = "robot",
                           .labels = {{"app", "podinfo"}}});
  snapshot.hosts = {{"app.example.com", "10.96.0.9"}};
  return snapshot;
}

TEST(MeshConfig, SurvivesTheWire) {
  const std::string line = to_json(sample()).dump();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto read = snapshot_from_json(Json::parse(line).value());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, sample());
}

TEST(MeshConfig, RefusesWhatItCannotServeAndNamesIt) {
  struct Case {
    const char* json;
    const char* error;
  };
  const Case cases[] = {
      {"[]", "a JSON object is expected"},
      {R"({"services":[{"name":"a"}]})", "service \"a.\": namespace must not be empty"},
      {R"({"services":[{"namespace":"t","name":"a","clusterIP":"x"}]})", "\"x\" is no IPv4 address"},
      {R"({"services":[{"namespace":"t","name":"a","clusterIP":"10.0.0.1","ports":[{"port":70000}]}]})",
       "service \"a.t\": port must be a number from 1 to 65535"},
      {R"({"services":[{"namespace":"t","name":"a","clusterIP":"10.0.0.1","ports":[{"port":80,"endpoints":[{"ip":"10.0.0.2"}]}]}]})",
       "service \"a.t\" port 80: endpoint: port must be"},
      {R"({"services":[{"namespace":"t","name":"a","clusterIP":"10.0.0.1","ports":[{"port":80},{"port":80}]}]})",
       "10.0.0.1:80 a second time"},
      {R"({"services":[{"namespace":"t","name":"a","split":[{"service":"b","weight":-1}]}]})",
       "split has a weight"},
      {R"({"pods":[{"namespace":"t","name":"a"}]})", "pod \"a.t\": ip"},
      {R"({"pods":[{"namespace":"t","name":"a","ip":"10.0.0.1"},{"namespace":"t","name":"b","ip":"10.0.0.1"}]})",
       "pod \"b.t\": ip 10.0.0.1 belongs to another pod too"},
      {R"({"hosts":{"app.example.com":"x"}})", "hosts: app.example.com \"x\" is no IPv4 address"},
  };
  for (const Case& each : cases) {
    const auto read = snapshot_from_json(Json::parse(each.json).value());
    ASSERT_FALSE(read) << each.json;
    EXPECT_EQ(read.error().code, base::Errc::invalid);
    EXPECT_THAT(read.error().message, testing::HasSubstr(each.error));
  }
}

}  // namespace
}  // namespace serin::local
