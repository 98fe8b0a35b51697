#include "controller/analyst.h"

namespace serin::controller {

base::Task<canary::CheckReply> MetricAnalyst::evaluate(canary::Spec spec) {
  const std::vector<analysis::Check> checks = co_await analysis_.evaluate(std::move(spec));
  canary::CheckReply reply;
  for (const analysis::Check& check : checks) {
    if (check.passed()) continue;
    reply.passed = false;
    reply.texts.push_back(check.text);
  }
  co_return reply;
}

}  // namespace serin::controller
