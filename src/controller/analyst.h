#pragma once

#include "analysis/analysis.h"
#include "controller/ports.h"

namespace serin::controller {

/// Judges by asking metric providers.
class MetricAnalyst final : public Analyst {
 public:
  explicit MetricAnalyst(analysis::Analysis& analysis) : analysis_(analysis) {}

  base::Task<base::Result<void>> check_providers(canary::Spec spec) override {
    return analysis_.check_providers(spec);
  }
  base::Task<canary::CheckReply> evaluate(canary::Spec spec) override;

 private:
  analysis::Analysis& analysis_;
};

}  // namespace serin::controller
