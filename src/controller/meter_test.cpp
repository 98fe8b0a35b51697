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

TEST(Meter, CountsHowLongJudgementsTake) {
  PrometheusMeter meter("1.44.0", "linkerd");
  canary::Spec spec;
  spec.ns = "test";
  spec.target_name = "podinfo";
  meter.judged(spec, std::chrono::milliseconds(250));
  meter.judged(spec, std::chrono::seconds(20));
  const std::string labels = "name=\"podinfo\",namespace=\"test\"";
  EXPECT_THAT(meter.text({}),
              AllOf(HasSubstr("# TYPE flagger_canary_duration_seconds histogram\n"),
                    HasSubstr("_bucket{" + labels + ",le=\"0.1\"} 0\n"),
                    HasSubstr("_bucket{" + labels + ",le=\"0.25\"} 1\n"),
                    HasSubstr("_bucket{" + labels + ",le=\"+Inf\"} 2\n"),
                    HasSubstr("_sum{" + labels + "} 20.25\n"), HasSubstr("_count{" + labels + "} 2\n")));
  meter.gone(spec);
  EXPECT_THAT(meter.text({}), Not(HasSubstr("podinfo")));
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
