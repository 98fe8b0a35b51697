#include "local/apiserver/in_process_api.h"

#include "kube/virtual_time_for_tests.h"
#include "local/apiserver/registry_for_tests.h"

namespace serin::local {
namespace {

using base::Errc;
using base::Result;
using base::Task;
using testing::yaml;
namespace res = kube::resources;

struct Fixture {
  kube::testing::World world;
  base::Random random{1};
  MemoryStore store;
  std::unique_ptr<Registry> registry = std::move(*Registry::open(store, world.clock, random, {}));
  InProcessApi api{world.context.get_executor(), *registry, world.clock};
};

Task<void> write_and_read(kube::Api& api, std::vector<std::string>& seen) {
  Json object = yaml("{metadata: {name: c}, data: {a: b}}");
  const Result<Json> made = co_await api.create(res::configmaps, "default", object, {});
  seen.push_back(made ? "made" : made.error().message);
  const Result<Json> again = co_await api.create(res::configmaps, "default", object, {});
  if (!again && again.error().code == Errc::already_exists) seen.push_back(again.error().message);
  Json stale = *made;
  stale.set("metadata", "resourceVersion") = "1";
  const Result<Json> replaced = co_await api.replace(res::configmaps, stale, "", {});
  if (!replaced && replaced.error().code == Errc::conflict) seen.push_back("conflict");
  Json patch = yaml("{data: {a: c}}");
  const Result<Json> patched =
      co_await api.patch(res::configmaps, "default", "c", kube::PatchType::merge, patch, "", {});
  if (patched) seen.push_back(patched->get("data", "a").str());
  const Result<kube::List> list = co_await api.list(res::configmaps, "", {.metadata_only = true});
  if (list) seen.push_back(list->items.at(0)["kind"].str());
  const Result<void> removed = co_await api.remove(res::configmaps, "default", "c", {});
  if (removed) seen.push_back("removed");
  const Result<Json> gone = co_await api.get(res::configmaps, "default", "c");
  if (!gone && gone.error().code == Errc::not_found) seen.push_back("gone");
  const Result<Json> version = co_await api.get_path("/version");
  if (version) seen.push_back((*version)["gitVersion"].str());
}

TEST(InProcessApi, IsTheApi) {
  Fixture fixture;
  std::vector<std::string> seen;
  fixture.world.run(write_and_read(fixture.api, seen));
  EXPECT_EQ(seen, (std::vector<std::string>{"made", "configmaps \"c\" already exists", "conflict", "c",
                                            "PartialObjectMetadata", "removed", "gone", "v1.36.2+serin"}));
}

Task<void> create_later(Fixture& fixture) {
  co_await fixture.world.clock.sleep_for(std::chrono::seconds(90));
  Json object = yaml("{metadata: {name: c}}");
  const Result<Json> made = co_await fixture.api.create(res::configmaps, "default", object, {});
  EXPECT_TRUE(made);
}

Task<void> watch_two(Fixture& fixture, std::vector<std::string>& seen) {
  const std::string from = std::to_string(fixture.registry->revision());
  Result<std::unique_ptr<kube::Watch>> watch =
      co_await fixture.api.watch(res::configmaps, "default", from, {});
  if (!watch) co_return;
  base::TaskGroup group(fixture.world.context.get_executor());
  group.spawn(create_later(fixture));
  for (int i = 0; i < 2; ++i) {
    Result<std::optional<kube::WatchEvent>> event = co_await (*watch)->next();
    if (!event || !event->has_value()) break;
    const bool bookmark = (*event)->type == kube::WatchEventType::bookmark;
    seen.push_back(bookmark ? "bookmark" : kube::name_of((*event)->object));
  }
  co_await group.join();
}

TEST(InProcessApi, WatchesWithBookmarksWhileNothingHappens) {
  Fixture fixture;
  std::vector<std::string> seen;
  fixture.world.run(watch_two(fixture, seen));
  EXPECT_EQ(seen, (std::vector<std::string>{"bookmark", "c"}));
}

Task<void> watch_from(kube::Api& api, std::string revision, std::optional<Errc>& code) {
  const Result<std::unique_ptr<kube::Watch>> watch = co_await api.watch(res::configmaps, "", revision, {});
  if (!watch) code = watch.error().code;
}

TEST(InProcessApi, SaysWhenAWatchIsTooOld) {
  Fixture fixture;
  fixture.registry.reset();
  std::optional<Errc> code;
  fixture.registry = std::move(*Registry::open(fixture.store, fixture.world.clock, fixture.random, {}));
  InProcessApi api(fixture.world.context.get_executor(), *fixture.registry, fixture.world.clock);
  fixture.world.run(watch_from(api, "1", code));
  EXPECT_EQ(code, Errc::gone);
}

}  // namespace
}  // namespace serin::local
