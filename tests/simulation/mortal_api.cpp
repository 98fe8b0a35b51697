#include "tests/simulation/mortal_api.h"

namespace serin::simulation {

using base::Result;
using base::Task;

Task<void> Life::pass(std::string what) {
  if (!over_ && points_++ == dies_at_) {
    over_ = true;
    last_ = what;
    death_.notify();
  }
  if (!over_) co_return;
  base::Wakeup never(executor_);
  co_await never.wait();
}

MortalApi::MortalApi(kube::Api& api, Life& life, std::function<void()> after_write, bool reroutes_late)
    : api_(api), life_(life), after_write_(std::move(after_write)), reroutes_late_(reroutes_late) {}

Task<void> MortalApi::wrote(std::string what) {
  after_write_();
  co_await life_.pass(std::move(what));
}

Task<Result<Json>> MortalApi::get(kube::Resource resource, std::string ns, std::string name) {
  Result<Json> result = co_await api_.get(resource, ns, name);
  co_await life_.pass("get " + resource.plural + " " + name);
  if (resource.plural == unreadable)
    co_return base::fail(base::Errc::unavailable, "etcdserver: leader changed");
  co_return result;
}

Task<Result<kube::List>> MortalApi::list(kube::Resource resource, std::string ns, kube::ListOptions options) {
  return api_.list(resource, ns, options);
}

Task<Result<std::unique_ptr<kube::Watch>>> MortalApi::watch(kube::Resource resource, std::string ns,
                                                            std::string version, kube::ListOptions options) {
  return api_.watch(resource, ns, version, options);
}

Task<Result<Json>> MortalApi::create(kube::Resource resource, std::string ns, Json object,
                                     kube::WriteOptions options) {
  const std::string what = "create " + resource.plural + " " + kube::name_of(object);
  Result<Json> result = co_await api_.create(resource, ns, std::move(object), options);
  co_await wrote(what);
  co_return result;
}

Task<Result<Json>> MortalApi::replace(kube::Resource resource, Json object, std::string subresource,
                                      kube::WriteOptions options) {
  const std::string what = "replace " + resource.plural + " " + kube::name_of(object) + " " + subresource;
  const bool to_primary =
      resource.kind == "TrafficSplit" && object.get("spec", "backends").at(0)["weight"] == Json("0");
  if (reroutes_late_ && to_primary) {
    held_back_ = object;
    co_await wrote(what);
    co_return object;
  }
  Result<Json> result = co_await api_.replace(resource, std::move(object), subresource, options);
  co_await wrote(what);
  co_return result;
}

Task<Result<Json>> MortalApi::patch(kube::Resource resource, std::string ns, std::string name,
                                    kube::PatchType type, Json patch, std::string subresource,
                                    kube::WriteOptions options) {
  const bool scales_down = resource.kind == "Deployment" && patch.get("spec", "replicas") == Json(0);
  Result<Json> result = co_await api_.patch(resource, ns, name, type, std::move(patch), subresource, options);
  co_await wrote("patch " + resource.plural + " " + name);
  if (scales_down && !held_back_.is_null()) {
    const Result<Json> late = co_await api_.replace(kube::resources::trafficsplits_v1alpha1,
                                                    std::exchange(held_back_, Json()), "", options);
    co_await wrote(late ? "late route" : "late route refused");
  }
  co_return result;
}

Task<Result<void>> MortalApi::remove(kube::Resource resource, std::string ns, std::string name,
                                     kube::DeleteOptions options) {
  const Result<void> result = co_await api_.remove(resource, ns, name, options);
  co_await wrote("remove " + resource.plural + " " + name);
  co_return result;
}

Task<Result<Json>> MortalApi::get_path(std::string path) {
  return api_.get_path(path);
}

}  // namespace serin::simulation
