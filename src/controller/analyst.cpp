#include "controller/analyst.h"

namespace serin::controller {

base::Task<canary::CheckReply> MetricAnalyst::evaluate(canary::Spec spec) {
  const std::vector<analysis::Check> checks = co_await analysis_.evaluate(std::move(spec));
  canary::CheckReply reply;
  bool failed = false, shared = true;
  for (const analysis::Check& check : checks) {
    reply.results.push_back(check.result);
    if (check.passed()) continue;
    failed |= check.failed();
    shared &= check.result.primary_value.has_value();
    reply.texts.push_back(check.event);
  }
  reply.passed = reply.texts.empty();
  reply.unknown = !reply.passed && !failed;
  reply.shared = !reply.passed && shared;
  co_return reply;
}

}  // namespace serin::controller
