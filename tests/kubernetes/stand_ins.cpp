#include "tests/kubernetes/stand_ins.h"

#include <fmt/format.h>

#include <ranges>

namespace serin::kubernetes_test {

using base::Json;
using base::Task;
using kube::ObjectRef;
using namespace std::chrono_literals;

NodeStandIn::NodeStandIn(kube::Api& api, base::Clock& clock, base::Random& random, base::Executor executor)
    : api_(api),
      clock_(clock),
      pods_(api, clock, random, base::Logger(), kube::resources::pods, {}, executor),
      tasks_(std::move(executor)) {
  pods_.subscribe([this](const ObjectRef&, const kube::Cache::Value&, const kube::Cache::Value& pod) {
    if (pod) look_at(*pod);
  });
}

Task<base::Result<void>> NodeStandIn::join_cluster() {
  Json node = Json::object({{"apiVersion", "v1"}, {"kind", "Node"}});
  node.set("metadata", "name") = "stand-in";
  const base::Result<Json> made = co_await api_.create(kube::resources::nodes, "", std::move(node), {});
  if (!made) co_return base::fail(made.error().within("create Node"));
  // The API server taints what is new until somebody has found it ready.
  Json patch;
  patch.set("spec", "taints") = Json();
  const base::Result<Json> cleared = co_await api_.patch(kube::resources::nodes, "", "stand-in",
                                                         kube::PatchType::merge, std::move(patch), "", {});
  if (!cleared) co_return base::fail(cleared.error().within("patch Node"));
  co_return base::Result<void>{};
}

Task<void> NodeStandIn::run() {
  tasks_.spawn(pods_.run());
  co_await tasks_.join();
}

namespace {

bool is_broken(const Json& pod) {
  const std::string image = pod.get("spec", "containers").at(0)["image"].str();
  return image.ends_with(":broken") ||
         (image.ends_with(":broken-primary") && kube::name_of(pod).contains("-primary-"));
}

}  // namespace

void NodeStandIn::look_at(const Json& pod) {
  const std::string uid = kube::uid_of(pod);
  if (kube::is_being_deleted(pod)) {
    if (ended_.insert(uid).second) tasks_.spawn(end(kube::ref_of(pod)));
  } else if (pod.get("status", "phase").str() == "Pending" && !is_broken(pod) &&
             started_.insert(uid).second) {
    tasks_.spawn(make_ready(kube::ref_of(pod), pod.get("spec", "containers")));
  }
}

Task<void> NodeStandIn::make_ready(ObjectRef pod, Json containers) {
  const std::string address = fmt::format("127.99.{}.{}", started_.size() / 250, started_.size() % 250 + 1);
  co_await clock_.sleep_for(300ms);
  const std::string now = base::format_rfc3339(clock_.wall_now());
  Json conditions = Json::array();
  for (const char* type : {"PodScheduled", "Initialized", "ContainersReady", "Ready"}) {
    conditions.push_back(Json::object({{"type", type}, {"status", "True"}, {"lastTransitionTime", now}}));
  }
  Json statuses = Json::array();
  for (const Json& container : containers.items()) {
    statuses.push_back(
        Json::object({{"name", container["name"]},
                      {"image", container["image"]},
                      {"imageID", "none"},
                      {"ready", true},
                      {"started", true},
                      {"restartCount", 0},
                      {"state", Json::object({{"running", Json::object({{"startedAt", now}})}})}}));
  }
  Json patch;
  patch.set("status") = Json::object({{"phase", "Running"},
                                      {"podIP", address},
                                      {"podIPs", Json::array({Json::object({{"ip", address}})})},
                                      {"startTime", now},
                                      {"conditions", std::move(conditions)},
                                      {"containerStatuses", std::move(statuses)}});
  // A pod that has gone in the meantime needs nothing.
  co_await api_.patch(kube::resources::pods, pod.ns, pod.name, kube::PatchType::merge, std::move(patch),
                      "status", {});
}

Task<void> NodeStandIn::end(ObjectRef pod) {
  co_await api_.remove(kube::resources::pods, pod.ns, pod.name, {.grace_seconds = 0});
}

void MetricsStandIn::answer(std::string ns, std::string part, double value) {
  rules_.push_back({std::move(ns), std::move(part), value});
}

double MetricsStandIn::value_of(const std::string& query) const {
  for (const Rule& rule : rules_ | std::views::reverse) {
    if (query.contains('"' + rule.ns + '"') && query.contains(rule.part)) return rule.value;
  }
  if (query.contains("quantile")) return 20;
  return query == "vector(1)" ? 1 : 100;
}

Task<void> MetricsStandIn::serve(http::Request request, http::Responder& responder) {
  const auto query = http::Target::parse(request.url.target).find("query");
  Json result = Json::array();
  if (query) {
    result.push_back(
        Json::object({{"metric", Json::object()},
                      {"value", Json::array({1.0, Json(fmt::format("{}", value_of(*query)))})}}));
  }
  Json body = Json::object({{"status", "success"}});
  body.set("data") = Json::object({{"resultType", "vector"}, {"result", std::move(result)}});
  http::Response response{.headers = {{"Content-Type", "application/json"}}, .body = body.dump()};
  co_await responder.send(std::move(response));
}

Inbox& WebhookReceiver::inbox(const std::string& ns) {
  std::unique_ptr<Inbox>& inbox = inboxes_[ns];
  if (!inbox) inbox = std::make_unique<Inbox>(executor_);
  return *inbox;
}

Task<void> WebhookReceiver::serve(http::Request request, http::Responder& responder) {
  const base::Result<Json> body = Json::parse(request.body);
  if (body && request.url.target == "/events") {
    const Json& metadata = (*body)["metadata"];
    Inbox& mine = inbox((*body)["namespace"].str());
    mine.events.push_back({.type = metadata["eventType"].str(),
                           .phase = (*body)["phase"].str(),
                           .message = metadata["eventMessage"].str(),
                           .at = clock_.now()});
    mine.arrived.notify();
  }
  http::Response response;
  if (const auto told = answers_.find(request.url.target); told != answers_.end())
    response.status = told->second;
  co_await responder.send(std::move(response));
}

}  // namespace serin::kubernetes_test
