#include "controller/meter.h"

#include <gmock/gmock.h>

namespace serin::controller {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Meter, ExportsWhatWasCountedElsewhere) {
  const PrometheusMeter meter("1.44.0", "linkerd");
  const std::string page = meter.text({.canaries = {{"test", 2}}, .dropped = {{"alert", 3}, {"event", 0}}});
  EXPECT_THAT(page, AllOf(HasSubstr("flagger_info{version=\"1.44.0\",mesh_provider=\"linkerd\"} 1\n"),
                          HasSubstr("flagger_canary_total{namespace=\"test\"} 2\n"),
                          HasSubstr("# TYPE serin_messages_dropped_total counter\n"),
                          HasSubstr("serin_messages_dropped_total{kind=\"alert\"} 3\n"),
                          HasSubstr("serin_messages_dropped_total{kind=\"event\"} 0\n")));
}

TEST(Meter, SeriesGoWithTheirCanary) {
  PrometheusMeter meter("1.44.0", "linkerd");
  canary::Spec spec;
  spec.ns = "test";
  spec.target_name = "podinfo";
  meter.status(spec, canary::Phase::failed);
  meter.weight(spec, {90, 10});
  meter.analysis(spec, "request-success-rate", 99.5);
  const std::string with = meter.text({});
  EXPECT_THAT(with, AllOf(HasSubstr("flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2\n"),
                          HasSubstr("flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 10\n"),
                          HasSubstr("metric=\"request-success-rate\"} 99.5\n")));
  meter.gone(spec);
  EXPECT_THAT(meter.text({}), Not(HasSubstr("podinfo")));
}

}  // namespace
}  // namespace serin::controller
