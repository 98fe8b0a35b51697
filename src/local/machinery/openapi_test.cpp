#include "local/machinery/openapi.h"

#include <gtest/gtest.h>

namespace serin::local {
namespace {

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

const std::vector<CustomResource>& canaries() {
  static const std::vector<CustomResource> all{
      {"flagger.app", "v1beta1", "canaries", "canary", "Canary", "CanaryList", true, true,
       json(
           R"({"type":"object","properties":{"spec":{"type":"object","oneOf":[{"required":["a"]}],"properties":{
         "a":{"type":"string"},"port":{"x-kubernetes-int-or-string":true},"free":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}})")}};
  return all;
}

/// Every reference must lead somewhere.
void expect_references(const Json& value, const Json& definitions, std::string_view root) {
  if (value["$ref"].is_string()) {
    const std::string& target = value["$ref"].str();
    ASSERT_TRUE(target.starts_with(root)) << target;
    EXPECT_TRUE(definitions.contains(std::string_view(target).substr(root.size()))) << target;
  }
  for (const Json::Member& member : value.members()) expect_references(member.value, definitions, root);
  for (const Json& element : value.items()) expect_references(element, definitions, root);
}

TEST(OpenApiV2, DescribesKindsAndPaths) {
  const Json document = openapi_v2(canaries());
  expect_references(document, document["definitions"], "#/definitions/");
  const Json& pod = document.get("definitions", "io.k8s.api.core.v1.PodSpec", "properties", "containers");
  EXPECT_EQ(pod["x-kubernetes-patch-merge-key"].str(), "name");
  EXPECT_EQ(pod["x-kubernetes-list-map-keys"], json(R"(["name"])"));
  EXPECT_EQ(
      document.get("definitions", "io.k8s.api.apps.v1.Deployment", "x-kubernetes-group-version-kind").at(0),
      json(R"({"group":"apps","kind":"Deployment","version":"v1"})"));
  const Json& patch =
      document.get("paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch");
  EXPECT_EQ(patch["x-kubernetes-action"].str(), "patch");
  EXPECT_EQ(patch["parameters"].at(2)["name"].str(), "fieldValidation");
  const Json& spec = document.get("definitions", "app.flagger.v1beta1.Canary", "properties", "spec");
  EXPECT_FALSE(spec.contains("oneOf"));
  EXPECT_FALSE(spec.get("properties", "free").contains("type"));
}

TEST(OpenApiV3, OneDocumentAGroupVersion) {
  const Json index = openapi_v3_index(canaries());
  EXPECT_TRUE(index["paths"].contains("api/v1"));
  for (const Json::Member& path : index["paths"].members()) {
    const Json document = openapi_v3(path.key, canaries());
    ASSERT_TRUE(document.is_object()) << path.key;
    expect_references(document, document.get("components", "schemas"), "#/components/schemas/");
  }
  const Json canary = openapi_v3("apis/flagger.app/v1beta1", canaries());
  EXPECT_TRUE(canary.get("components", "schemas", "app.flagger.v1beta1.Canary", "properties", "spec")
                  .contains("oneOf"));
  EXPECT_TRUE(
      canary["paths"].contains("/apis/flagger.app/v1beta1/namespaces/{namespace}/canaries/{name}/status"));
  EXPECT_TRUE(openapi_v3("apis/none/v1", canaries()).is_null());
}

TEST(OpenApiV3, TheIndexChangesWithTheSchemas) {
  std::vector<CustomResource> changed = canaries();
  changed[0].schema.set("description") = "other";
  const auto url = [](const Json& index) {
    return index.get("paths", "apis/flagger.app/v1beta1", "serverRelativeURL").str();
  };
  EXPECT_NE(url(openapi_v3_index(canaries())), url(openapi_v3_index(changed)));
}

TEST(OpenApiProtobuf, WritesTheWireFormat) {
  const Json document = json(
      R"({"swagger":"2.0","info":{"title":"T","version":"v"},"paths":{},"definitions":{"A":{"type":"string","x-y":1}}})");
  const std::string name = std::string("\x0a\x01", 2) + "A";
  const std::string type = "\xb2\x01\x08\x0a\x06string";
  const std::string extension =
      "\xfa\x01\x0b\x0a\x03x-y\x12\x04\x12\x02"
      "1\n";
  const std::string definition = name + "\x12\x19" + type + extension;
  const std::string head = std::string(
                               "\x0a\x03"
                               "2.0") +
                           "\x12\x06\x0a\x01T\x12\x01v" + std::string("\x42\x00", 2);
  EXPECT_EQ(openapi_v2_protobuf(document), head + "\x4a\x20" + "\x0a\x1e" + definition);
}

}  // namespace
}  // namespace serin::local
