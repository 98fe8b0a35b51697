#include "local/apiserver/rest.h"

#include "local/apiserver/documents.h"
#include "local/apiserver/protobuf.h"
#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using testing::podinfo_yaml;
using testing::World;
using testing::yaml;
namespace res = kube::resources;

http::Request request(std::string method, std::string target, std::string body = {},
                      http::Headers headers = {}) {
  http::Request made;
  made.method = std::move(method);
  made.url.target = std::move(target);
  made.headers = std::move(headers);
  made.body = std::move(body);
  return made;
}

struct RestTest : ::testing::Test {
  http::Response ask(const http::Request& asked) { return rest.answer(asked, RequestInfo::parse(asked)); }
  Json ask_json(const http::Request& asked) { return Json::parse(ask(asked).body).value_or(Json()); }

  World world;
  Rest rest{*world.registry, world.clock};
  const std::string deployments = "/apis/apps/v1/namespaces/default/deployments";
};

TEST(RequestInfo, ReadsPaths) {
  struct Case {
    const char *method, *target, *verb, *group, *version, *ns, *plural, *name, *subresource;
  };
  const Case cases[] = {
      {"GET", "/api/v1/pods", "list", "", "v1", "", "pods", "", ""},
      {"GET", "/api/v1/namespaces/a/pods/x/log?follow=true", "get", "", "v1", "a", "pods", "x", "log"},
      {"GET", "/api/v1/namespaces/a", "get", "", "v1", "", "namespaces", "a", ""},
      {"PUT", "/api/v1/namespaces/a/finalize", "update", "", "v1", "", "namespaces", "a", "finalize"},
      {"GET", "/apis/apps/v1/namespaces/a/deployments?watch=1", "watch", "apps", "v1", "a", "deployments", "",
       ""},
      {"PATCH", "/apis/apps/v1/namespaces/a/deployments/x/scale", "patch", "apps", "v1", "a", "deployments",
       "x", "scale"},
      {"DELETE", "/apis/a.b/v1/xs", "deletecollection", "a.b", "v1", "", "xs", "", ""},
      {"POST", "/apis/a.b/v1/xs", "create", "a.b", "v1", "", "xs", "", ""},
  };
  for (const Case& c : cases) {
    const RequestInfo info = RequestInfo::parse(request(c.method, c.target));
    EXPECT_TRUE(info.is_resource) << c.target;
    EXPECT_EQ(info.verb, c.verb) << c.target;
    EXPECT_EQ(info.resource.group, c.group) << c.target;
    EXPECT_EQ(info.resource.version, c.version) << c.target;
    EXPECT_EQ(info.resource.plural, c.plural) << c.target;
    EXPECT_EQ(info.ns, c.ns) << c.target;
    EXPECT_EQ(info.name, c.name) << c.target;
    EXPECT_EQ(info.subresource, c.subresource) << c.target;
  }
  for (const char* target : {"/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/", ""}) {
    EXPECT_FALSE(RequestInfo::parse(request("GET", target)).is_resource) << target;
  }
}

TEST(Negotiate, ChoosesAsTheServerDoes) {
  EXPECT_EQ(negotiate("")->kind, Form::Kind::plain);
  EXPECT_EQ(negotiate("*/*")->kind, Form::Kind::plain);
  EXPECT_EQ(negotiate("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")->kind,
            Form::Kind::table);
  EXPECT_EQ(negotiate("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")->kind,
            Form::Kind::partial);
  EXPECT_EQ(negotiate("application/vnd.kubernetes.protobuf,application/json")->kind, Form::Kind::plain);
  EXPECT_TRUE(negotiate("application/yaml")->yaml);
  EXPECT_FALSE(negotiate("application/vnd.kubernetes.protobuf"));
}

TEST_F(RestTest, CreatesListsAndPrints) {
  const http::Response made = ask(request("POST", deployments, yaml(podinfo_yaml).dump()));
  EXPECT_EQ(made.status, 201);
  const Json list = ask_json(request("GET", deployments));
  EXPECT_EQ(list["kind"].str(), "DeploymentList");
  EXPECT_EQ(list["items"].size(), 1u);
  const http::Headers table{{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}};
  const Json printed = ask_json(request("GET", deployments, "", table));
  EXPECT_EQ(printed["kind"].str(), "Table");
  EXPECT_EQ(printed["rows"].at(0)["cells"].at(0).str(), "podinfo");
  EXPECT_EQ(printed["rows"].at(0)["object"]["kind"].str(), "PartialObjectMetadata");
  const http::Headers partial{{"Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}};
  const Json metadata = ask_json(request("GET", deployments, "", partial));
  EXPECT_EQ(metadata["kind"].str(), "PartialObjectMetadataList");
  EXPECT_TRUE(metadata["items"].at(0)["spec"].is_null());
}

/// The spelling of the guide's manifest, which newer servers refuse.
TEST_F(RestTest, ServesOldIngressesAsOtherSpellings) {
  const std::string manifest = R"(
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: podinfo}
spec: {rules: [{host: app.example.com, http: {paths: [{backend: {serviceName: podinfo, servicePort: 9898}}]}}]}
)";
  const std::string old = "/apis/extensions/v1beta1/namespaces/default/ingresses";
  const std::string now = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
  const http::Response made =
      ask(request("POST", old + "?fieldValidation=Strict", manifest, {{"Content-Type", "application/yaml"}}));
  EXPECT_EQ(made.status, 201) << made.body;
  const Json stored = ask_json(request("GET", now + "/podinfo"));
  EXPECT_EQ(stored["apiVersion"].str(), "networking.k8s.io/v1");
  EXPECT_EQ(
      stored.get("spec", "rules").at(0).get("http", "paths").at(0),
      yaml("{backend: {service: {name: podinfo, port: {number: 9898}}}, pathType: ImplementationSpecific}"));
  const Json seen = ask_json(request("GET", old + "/podinfo"));
  EXPECT_EQ(seen["apiVersion"].str(), "extensions/v1beta1");
  EXPECT_EQ(seen.get("spec", "rules").at(0).get("http", "paths").at(0).get("backend", "servicePort").as_int(),
            9898);
  const http::Response patched =
      ask(request("PATCH", old + "/podinfo", R"({"metadata":{"labels":{"a":"b"}}})",
                  {{"Content-Type", "application/merge-patch+json"}}));
  EXPECT_EQ(patched.status, 200) << patched.body;
  EXPECT_EQ(ask_json(request("GET", now + "/podinfo")).get("metadata", "generation").as_int(), 1);
  const http::Response nowhere =
      ask(request("POST", old, "{metadata: {name: x}, spec: {rules: [{http: {paths: [{backend: {}}]}}]}}",
                  {{"Content-Type", "application/yaml"}}));
  EXPECT_EQ(nowhere.status, 422) << nowhere.body;
  EXPECT_EQ(ask(request("DELETE", old + "/podinfo")).status, 200);
  EXPECT_EQ(ask(request("GET", now + "/podinfo")).status, 404);
}

TEST_F(RestTest, TakesYamlAndWarns) {
  const http::Response made =
      ask(request("POST", deployments + "?fieldValidation=Warn",
                  std::string(podinfo_yaml) + "surprise: true\n", {{"Content-Type", "application/yaml"}}));
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.headers.get("Warning"), "299 - \"unknown field \\\"surprise\\\"\"");
  const http::Response strict =
      ask(request("POST", deployments + "?fieldValidation=Strict",
                  std::string(podinfo_yaml) + "surprise: true\n", {{"Content-Type", "application/yaml"}}));
  EXPECT_EQ(strict.status, 400);
}

TEST_F(RestTest, RefusesWhatItCannotRead) {
  struct Case {
    http::Request asked;
    int status;
  };
  const Case cases[] = {
      {request("POST", deployments, "{", {}), 400},
      {request("POST", deployments, "", {{"Content-Type", "text/plain"}}), 415},
      {request("POST", deployments, "x", {{"Content-Type", "application/vnd.kubernetes.protobuf"}}), 400},
      {request("GET", deployments, "", {{"Accept", "application/vnd.kubernetes.protobuf"}}), 406},
      {request("PATCH", deployments + "/x", "{}", {{"Content-Type", "application/json"}}), 415},
      {request("PATCH", deployments + "/x", "{}", {{"Content-Type", "application/apply-patch+yaml"}}), 422},
      {request("GET", deployments + "/x"), 404},
      {request("GET", deployments + "/x/what/ever"), 404},
      {request("PUT", deployments), 405},
      {request("GET", deployments + "?labelSelector=a%20in%20("), 400},
      {request("POST", deployments + "?dryRun=Some", "{}"), 422},
  };
  for (const Case& c : cases) {
    const http::Response response = ask(c.asked);
    EXPECT_EQ(response.status, c.status)
        << c.asked.method << " " << c.asked.url.target << ": " << response.body;
    EXPECT_EQ(Json::parse(response.body).value_or(Json())["kind"].str(), "Status");
  }
}

TEST_F(RestTest, PatchesByContentType) {
  ask(request("POST", deployments, yaml(podinfo_yaml).dump()));
  const std::string target = deployments + "/podinfo";
  const std::pair<const char*, const char*> patches[] = {
      {"application/json-patch+json", R"([{"op":"replace","path":"/spec/replicas","value":2}])"},
      {"application/merge-patch+json", R"({"spec":{"replicas":3}})"},
      {"application/strategic-merge-patch+json", R"({"spec":{"replicas":4}})"}};
  std::int64_t expected = 2;
  for (const auto& [type, patch] : patches) {
    const http::Response done = ask(request("PATCH", target, patch, {{"Content-Type", type}}));
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(world.get(res::deployments, "podinfo").get("spec", "replicas"), Json(expected++));
  }
  const http::Response applied =
      ask(request("PATCH", "/api/v1/namespaces/default/configmaps/c?fieldManager=me",
                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n",
                  {{"Content-Type", "application/apply-patch+yaml"}}));
  EXPECT_EQ(applied.status, 201) << applied.body;
}

TEST_F(RestTest, DeletesWithOptions) {
  ask(request("POST", deployments, yaml(podinfo_yaml).dump()));
  Json gone = ask_json(request("DELETE", deployments + "/podinfo", R"({"propagationPolicy":"Foreground"})"));
  EXPECT_EQ(gone.get("metadata", "finalizers"), Json::array({"foregroundDeletion"}));
  ask(request("POST", "/api/v1/namespaces/default/configmaps", R"({"metadata":{"name":"c"}})"));
  gone = ask_json(request("DELETE", "/api/v1/namespaces/default/configmaps/c"));
  EXPECT_EQ(gone["status"].str(), "Success");
  EXPECT_EQ(gone.get("details", "name").str(), "c");
}

TEST_F(RestTest, DescribesItself) {
  Documents documents(*world.registry);
  const auto document = [&](const std::string& target, http::Headers headers = {}, std::string method = "GET",
                            std::string body = {}) {
    const http::Request asked = request(std::move(method), target, std::move(body), std::move(headers));
    return documents.answer(asked, RequestInfo::parse(asked), "admin");
  };
  EXPECT_EQ(document("/readyz")->body, "ok");
  EXPECT_EQ(Json::parse(document("/version")->body)->get("gitVersion").str(), "v1.36.2+serin");
  const auto aggregated = document(
      "/apis",
      {{"Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}});
  EXPECT_EQ(aggregated->headers.get("Content-Type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(Json::parse(document("/apis")->body)->get("kind").str(), "APIGroupList");
  EXPECT_EQ(Json::parse(document("/apis/apps/v1")->body)->get("groupVersion").str(), "apps/v1");
  EXPECT_EQ(Json::parse(document("/openapi/v2")->body)->get("swagger").str(), "2.0");
  EXPECT_TRUE(Json::parse(document("/openapi/v3")->body)->get("paths").contains("apis/apps/v1"));
  EXPECT_FALSE(document("/nothing"));
  const auto review = document("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, "POST", "{}");
  EXPECT_EQ(review->status, 201);
  EXPECT_EQ(Json::parse(review->body)->get("status", "allowed"), Json(true));
}

TEST(Protobuf, ReadsWhatKubectlSends) {
  // A runtime.Unknown of type v1 ConfigMap whose raw bytes are a ConfigMap with name "c" and data a: "b".
  const std::string metadata = std::string("\x0a\x03\x0a\x01") + "c";
  const std::string data = std::string("\x12\x06\x0a\x01") + "a" + "\x12\x01" + "b";
  const std::string raw = metadata + data;
  const std::string type = std::string("\x0a\x0f\x0a\x02") + "v1" + "\x12\x09" + "ConfigMap";
  const std::string body = std::string("k8s\0", 4) + type + "\x12" + static_cast<char>(raw.size()) + raw;
  const StatusResult<Json> object = decode_protobuf(body);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(*object, yaml("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}"));
  for (std::size_t cut = 0; cut < body.size(); ++cut) (void)decode_protobuf(body.substr(0, cut));
  EXPECT_EQ(decode_protobuf("{}").error().code, 400);
}

}  // namespace
}  // namespace serin::local
