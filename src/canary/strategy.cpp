#include "canary/strategy.h"

#include <fmt/format.h>

#include <algorithm>

namespace serin::canary {

Adjusted adjusted(Spec spec, const Capabilities& provider) {
  Adjusted result{std::move(spec), {}};
  const auto give_up = [&](std::string text) { result.warnings.push_back(std::move(text)); };
  if (!provider.shifts) {
    if (result.spec.has_match()) {
      give_up("A/B testing is not supported when using the kubernetes provider");
      result.spec.match = {};
    }
    if (result.spec.iterations < 1) {
      constexpr int iterations = 10;
      give_up("Progressive traffic is not supported when using the kubernetes provider");
      give_up(fmt::format("Setting canaryAnalysis.iterations: {}", iterations));
      result.spec.iterations = iterations;
    }
    result.spec.mirror = false;
  }
  if (result.spec.mirror && !provider.mirrors) {
    give_up("traffic mirroring is not supported by the provider, continuing without it");
    result.spec.mirror = false;
  }
  return result;
}

int next_weight(const Spec& spec, int weight) {
  if (spec.step_weight > 0) return std::max(weight, std::min(spec.final_weight(), weight + spec.step_weight));
  const auto larger = std::ranges::find_if(spec.step_weights, [&](int step) { return step > weight; });
  return larger == spec.step_weights.end() ? weight : std::min(100, *larger);
}

int weight_before(const Spec& spec, int weight) {
  int before = 0;
  for (int step = next_weight(spec, 0); step > before && step < weight; step = next_weight(spec, step))
    before = step;
  return before;
}

Step next_step(const Spec& spec, const Capabilities& provider, const Status& status, bool mirrored) {
  if (spec.strategy() == Strategy::canary) {
    if (spec.mirror && status.canary_weight == 0 && !mirrored) return {Step::Kind::mirror, 0};
    const int weight = next_weight(spec, status.canary_weight);
    return weight == status.canary_weight ? Step{Step::Kind::promote, 0} : Step{Step::Kind::weight, weight};
  }
  if (status.iterations < spec.iterations) return {Step::Kind::iteration, status.iterations + 1};
  const bool to_canary_first = spec.strategy() == Strategy::blue_green && provider.shifts;
  if (to_canary_first && status.iterations == spec.iterations) return {Step::Kind::all_canary, 0};
  return {Step::Kind::promote, 0};
}

Routes routes_for(const Spec& spec, const Capabilities& provider, const Status& status, bool mirrored) {
  if (!provider.shifts) return {};
  switch (spec.strategy()) {
    case Strategy::canary:
      if (status.canary_weight == 0) return {100, 0, mirrored && spec.mirror};
      return {100 - status.canary_weight, status.canary_weight};
    case Strategy::ab_testing:
      return status.iterations > 0 ? Routes{0, 100} : Routes{};
    case Strategy::blue_green:
      if (status.iterations > spec.iterations) return {0, 100};
      return {100, 0, spec.mirror && status.iterations > 0};
  }
  return {};
}

}  // namespace serin::canary
