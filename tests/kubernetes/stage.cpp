#include "tests/kubernetes/stage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace serin::kubernetes_test {

using base::Json;
using base::Result;
using base::Task;
using namespace std::chrono_literals;
namespace resources = kube::resources;

namespace {

constexpr base::Duration patience = 60s;

/// What kubectl shows of it: the version that the API server prefers.
const kube::Resource trafficsplits{"split.smi-spec.io", "v1alpha2", "trafficsplits", "TrafficSplit"};

const kube::Resource httproutes{"gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"};

const kube::Resource scaledobjects{"keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"};

/// The kinds whose objects are compared.
const std::vector<kube::Resource>& compared() {
  static const std::vector<kube::Resource> all = {resources::canaries,   resources::deployments,
                                                  resources::services,   resources::hpas,
                                                  resources::configmaps, resources::secrets,
                                                  resources::daemonsets, resources::ingresses,
                                                  trafficsplits,         httproutes};
  return all;
}

/// The resource of an object in our manifests.
const kube::Resource& resource_of(const Json& object) {
  if (object["kind"].str() == "MetricTemplate") return resources::metric_templates;
  if (object["kind"].str() == "ScaledObject") return scaledobjects;
  return *std::ranges::find(compared(), object["kind"].str(), &kube::Resource::kind);
}

/// Until the end, the primary's replicas are in flux: its HPA raises them within its own 15 seconds. So are
/// those of a target that got them from its primary.
void leave_out_what_is_in_flux(Objects& objects, const std::string& mark) {
  const bool released = !objects.contains("Canary/podinfo");
  const auto found = objects.find(released ? "Deployment/podinfo" : "Deployment/podinfo-primary");
  if ((released || mark != "end") && found != objects.end()) found->second.set("spec").erase("replicas");
}

}  // namespace

Stage::Stage(Theatre theatre, std::string name)
    : theatre_(std::move(theatre)),
      name_(std::move(name)),
      ns_("g-" + name_),
      inbox_(theatre_.receiver.inbox(ns_)) {}

const Event* Stage::find_event(std::string_view text) const {
  const auto found =
      std::ranges::find_if(inbox_.events, [&](const Event& event) { return event.message.contains(text); });
  return found == inbox_.events.end() ? nullptr : &*found;
}

bool Stage::failed(const Result<Json>& outcome, const std::string& step) {
  if (!outcome) problems_.push_back(step + ": " + outcome.error().message);
  return !outcome;
}

Json Stage::localized(const Json& value) const {
  if (value.is_string()) {
    std::string text = value.str();
    for (const auto& [from, to] :
         {std::pair("http://webhooks/", "http://" + theatre_.webhooks + "/"),
          std::pair("http://prometheus", theatre_.prometheus), std::pair("NAMESPACE", ns_)}) {
      if (const auto at = text.find(from); at != std::string::npos)
        text.replace(at, std::string_view(from).size(), to);
    }
    return text;
  }
  if (!value.is_object() && !value.is_array()) return value;
  Json all = value.is_array() ? Json::array() : Json::object();
  if (value.is_array()) {
    for (const Json& each : value.items()) all.push_back(localized(each));
  } else {
    for (const auto& [key, member] : value.members()) all.set(key) = localized(member);
  }
  return all;
}

Task<void> Stage::install(std::function<void(Json&)> change, std::string manifest) {
  Json ns = Json::object({{"apiVersion", "v1"}, {"kind", "Namespace"}});
  ns.set("metadata", "name") = ns_;
  const Result<Json> made = co_await theatre_.api.create(resources::namespaces, "", std::move(ns), {});
  if (failed(made, "create namespace")) co_return;
  co_await create(std::move(manifest), std::move(change));
}

Task<void> Stage::create(std::string manifest, std::function<void(Json&)> change) {
  if (!problems_.empty()) co_return;
  const Result<Objects> objects = read_objects(theatre_.files / "manifests" / manifest);
  if (!objects) {
    problems_.push_back(objects.error().message);
    co_return;
  }
  for (const auto& [name, read] : *objects) {
    Json object = localized(read);
    if (change) change(object);
    const kube::Resource resource = resource_of(object);
    const Result<Json> made = co_await theatre_.api.create(resource, ns_, std::move(object), {});
    if (failed(made, "create " + name)) co_return;
  }
}

Task<void> Stage::merge(kube::Resource resource, std::string name, Json patch) {
  if (!problems_.empty()) co_return;
  const Result<Json> done =
      co_await theatre_.api.patch(resource, ns_, name, kube::PatchType::merge, std::move(patch), "", {});
  failed(done, "patch " + resource.kind + "/" + name);
}

Task<void> Stage::set_image(std::string image, kube::Resource kind) {
  if (!problems_.empty()) co_return;
  Json patch;
  patch.set("spec", "template", "spec", "containers") =
      Json::array({Json::object({{"name", "podinfod"}, {"image", std::move(image)}})});
  const Result<Json> done =
      co_await theatre_.api.patch(kind, ns_, "podinfo", kube::PatchType::strategic, std::move(patch), "", {});
  failed(done, "set image");
}

Task<void> Stage::remove_canary() {
  if (!problems_.empty()) co_return;
  const Result<void> asked = co_await theatre_.api.remove(resources::canaries, ns_, "podinfo", {});
  if (!asked) problems_.push_back("delete Canary: " + asked.error().message);
  const base::MonoTime deadline = theatre_.clock.now() + patience;
  for (bool there = asked.has_value(); there;) {
    const Result<Json> canary = co_await theatre_.api.get(resources::canaries, ns_, "podinfo");
    there = canary || canary.error().code != base::Errc::not_found;
    if (there && theatre_.clock.now() > deadline) {
      problems_.push_back("delete Canary: it is still there");
      there = false;
    }
    co_await theatre_.clock.sleep_for(50ms);
  }
}

void Stage::measure(std::string part, double value) {
  theatre_.metrics.answer(ns_, std::move(part), value);
}

void Stage::answer_hook(std::string path, int status) {
  theatre_.receiver.answer("/" + ns_ + "/" + path, status);
}

Task<void> Stage::expect_event(std::string text) {
  if (!problems_.empty()) co_return;
  const base::MonoTime deadline = theatre_.clock.now() + patience;
  for (;;) {
    for (; expected_ < inbox_.events.size(); ++expected_) {
      if (!inbox_.events[expected_].message.contains(text)) continue;
      ++expected_;
      co_return;
    }
    const bool more = co_await inbox_.arrived.wait_until(theatre_.clock, deadline);
    if (more) continue;
    problems_.push_back("no event: " + text);
    co_return;
  }
}

Task<Result<Objects>> Stage::read_all(std::string mark) {
  Objects objects;
  for (const kube::Resource& resource : compared()) {
    const Result<kube::List> list = co_await theatre_.api.list(resource, ns_, {});
    if (!list) co_return base::fail(list.error());
    for (const Json& item : list->items) {
      if (kube::name_of(item) == "kube-root-ca.crt") continue;
      objects[resource.kind + "/" + kube::name_of(item)] = expectable(item, theatre_.webhooks);
    }
  }
  leave_out_what_is_in_flux(objects, mark);
  co_return objects;
}

Task<void> Stage::expect_objects(std::string mark) {
  if (!problems_.empty()) co_return;
  const Result<Objects> expected = read_objects(theatre_.files / "expected" / name_ / (mark + ".yaml"));
  if (!expected) {
    problems_.push_back(expected.error().message);
    co_return;
  }
  // Of all moments until then, the one that came closest is what is told.
  const base::MonoTime deadline = theatre_.clock.now() + patience;
  std::vector<std::string> closest;
  do {
    const Result<Objects> objects = co_await read_all(mark);
    std::vector<std::string> differ =
        objects ? differences(*expected, *objects) : std::vector{objects.error().message};
    if (differ.empty()) co_return;
    if (closest.empty() || differ.size() < closest.size()) closest = std::move(differ);
    co_await theatre_.clock.sleep_for(50ms);
  } while (theatre_.clock.now() < deadline);
  problems_.push_back(fmt::format("objects at mark {}:\n    {}", mark, fmt::join(closest, "\n    ")));
}

void Stage::expect_all_events() {
  if (!problems_.empty()) return;
  const std::vector<std::string> expected = read_lines(theatre_.files / "expected" / name_ / "events.txt");
  const std::vector<std::string> actual = expectable_lines(inbox_.events);
  if (expected == actual) return;
  problems_.push_back(fmt::format("expected the events\n    {}\n  but they are\n    {}",
                                  fmt::join(expected, "\n    "), fmt::join(actual, "\n    ")));
}

}  // namespace serin::kubernetes_test
