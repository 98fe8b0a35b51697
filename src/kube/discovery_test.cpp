#include "kube/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_for_tests.h"
#include "kube/virtual_time_for_tests.h"

namespace serin::kube {
namespace {

TEST(Discovery, PreferredVersionFirst) {
  testing::World world;
  testing::FakeApi api(world.clock);
  EXPECT_THAT(world.get(group_versions(api, "split.smi-spec.io")).value(), ::testing::IsEmpty());
  EXPECT_THAT(api.calls, ::testing::ElementsAre("get /apis/split.smi-spec.io"));

  api.on_get = [](auto&&...) {
    return Json::parse(R"({"versions":[{"version":"v1alpha1"},{"version":"v1alpha2"}],
                           "preferredVersion":{"version":"v1alpha2"}})");
  };
  EXPECT_THAT(world.get(group_versions(api, "split.smi-spec.io")).value(),
              ::testing::ElementsAre("v1alpha2", "v1alpha1"));

  api.on_get = [](auto&&...) -> base::Result<Json> { return base::fail(base::Errc::unavailable, "down"); };
  EXPECT_FALSE(world.get(group_versions(api, "split.smi-spec.io")));
}

}  // namespace
}  // namespace serin::kube
