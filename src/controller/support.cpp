#include "controller/support.h"

#include <fmt/format.h>

namespace serin::controller {

std::vector<std::string> unsupported(const canary::Spec& spec, const std::string& provider) {
  std::vector<std::string> problems;
  if (provider != "linkerd" && provider != "smi:v1alpha1" && provider != "smi:v1alpha1:linkerd") {
    problems.push_back(fmt::format("spec.provider: \"{}\" is not supported, use linkerd", provider));
  }
  if (spec.target_kind != "Deployment") {
    problems.push_back(
        fmt::format("spec.targetRef.kind: {} is not supported, use Deployment", spec.target_kind));
  }
  if (spec.strategy() != canary::Strategy::canary) {
    problems.push_back(
        fmt::format("spec.analysis: {} by iterations is not supported with {}, use stepWeight or stepWeights",
                    name_of(spec.strategy()), provider));
  } else if (spec.has_match()) {
    problems.push_back(fmt::format(
        "spec.analysis.match: A/B testing is not supported when using the {} provider", provider));
  }
  return problems;
}

}  // namespace serin::controller
