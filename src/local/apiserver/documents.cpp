#include "local/apiserver/documents.h"

#include <utility>

#include "local/apiserver/discovery.h"
#include "local/apiserver/rest.h"
#include "local/machinery/openapi.h"

namespace serin::local {
namespace {

using http::Request;
using http::Response;

constexpr std::string_view openapi_protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The "@" that clients ask with is no token of a media type, so that they are answered with this one.
constexpr std::string_view openapi_protobuf_answer =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

Response text_response(std::string body, std::string content_type = "text/plain; charset=utf-8") {
  Response response;
  response.headers.set("Content-Type", std::move(content_type));
  response.body = std::move(body);
  return response;
}

bool is_health(const std::string& path) {
  return path == "/livez" || path == "/readyz" || path == "/healthz";
}

}  // namespace

bool Documents::is_public(const std::string& path) {
  return is_health(path) || path == "/version";
}

void Documents::forget_outdated() {
  const std::uint64_t now = registry_.catalog().changes();
  if (now != catalog_revision_) texts_.clear();
  catalog_revision_ = now;
}

std::optional<Response> Documents::openapi(const Request& request, const std::string& path) {
  forget_outdated();
  const bool protobuf =
      path == "/openapi/v2" && request.headers.get("Accept").find(openapi_protobuf) != std::string_view::npos;
  std::string& text = texts_[protobuf ? path + "#protobuf" : path];
  if (text.empty()) {
    const std::vector<CustomResource> custom = registry_.catalog().custom();
    Json document;
    if (path == "/openapi/v2") {
      document = openapi_v2(custom);
    } else if (path == "/openapi/v3") {
      document = openapi_v3_index(custom);
    } else {
      document = openapi_v3(path.substr(std::string_view("/openapi/v3/").size()), custom);
    }
    if (document.is_null()) return std::nullopt;
    text = protobuf ? openapi_v2_protobuf(document) : document.dump();
  }
  return text_response(text, protobuf ? std::string(openapi_protobuf_answer) : "application/json");
}

std::optional<Response> Documents::review(const Request& request, const RequestInfo& info,
                                          const std::string& user) const {
  if (info.verb != "create" || !info.name.empty()) return std::nullopt;
  const std::string what = info.resource.group + "/" + info.resource.plural;
  Json status;
  if (what == "authorization.k8s.io/selfsubjectaccessreviews" ||
      what == "authorization.k8s.io/localsubjectaccessreviews" ||
      what == "authorization.k8s.io/subjectaccessreviews") {
    status = Json::object({{"allowed", true}, {"reason", "everyone who may connect may do everything"}});
  } else if (what == "authorization.k8s.io/selfsubjectrulesreviews") {
    const Json all = Json::array({"*"});
    status = Json::object(
        {{"resourceRules",
          Json::array({Json::object({{"verbs", all}, {"apiGroups", all}, {"resources", all}})})},
         {"nonResourceRules", Json::array({Json::object({{"verbs", all}, {"nonResourceURLs", all}})})},
         {"incomplete", false}});
  } else if (what == "authentication.k8s.io/selfsubjectreviews") {
    status = Json::object(
        {{"userInfo", Json::object({{"username", user},
                                    {"groups", Json::array({"system:masters", "system:authenticated"})}})}});
  } else {
    return std::nullopt;
  }
  StatusResult<Json> body = read_body(request);
  if (!body) return status_response(body.error());
  Json answer = std::move(*body);
  answer.set("status") = std::move(status);
  return json_response(201, answer);
}

std::optional<Response> Documents::answer(const Request& request, const RequestInfo& info,
                                          const std::string& user) {
  const std::string& path = info.target.path;
  if (info.is_resource) return review(request, info, user);
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (is_health(path) || is_health(path.substr(0, path.find('/', 1)))) return text_response("ok");
  if (path.starts_with("/openapi/v2") || path.starts_with("/openapi/v3")) return openapi(request, path);
  if (path == "/") {
    return json_response(
        200,
        Json::object({{"paths", Json::array({"/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2",
                                             "/openapi/v3", "/readyz", "/version"})}}),
        true);
  }
  const std::string version = wants_aggregated_discovery(request.headers.get("Accept"));
  if ((path == "/api" || path == "/apis") && !version.empty()) {
    Response response =
        json_response(200, aggregated_discovery(registry_.catalog(), path == "/api", version));
    response.headers.set("Content-Type",
                         "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList");
    return response;
  }
  const Json document = discovery_document(registry_.catalog(), path);
  if (document.is_null()) return std::nullopt;
  return json_response(200, document, path == "/version" || info.flag("pretty"));
}

}  // namespace serin::local
