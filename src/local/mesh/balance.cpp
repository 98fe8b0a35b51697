#include "local/mesh/balance.h"

namespace serin::local::mesh {

std::optional<std::size_t> choose(std::span<const Candidate> candidates, base::Random& random) {
  std::uint64_t sum = 0;
  std::size_t eligible = 0, last = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].ready || candidates[i].weight == 0) continue;
    sum += candidates[i].weight;
    ++eligible;
    last = i;
  }
  if (eligible == 0) return std::nullopt;
  if (eligible == 1) return last;
  std::uint64_t ticket = random.below(sum);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].ready) continue;
    if (ticket < candidates[i].weight) return i;
    ticket -= candidates[i].weight;
  }
  return last;
}

std::optional<std::size_t> choose_endpoint(std::span<const std::uint32_t> in_flight, base::Random& random) {
  if (in_flight.empty()) return std::nullopt;
  if (in_flight.size() == 1) return 0;
  const std::size_t first = random.below(in_flight.size());
  std::size_t second = random.below(in_flight.size() - 1);
  if (second >= first) ++second;
  return in_flight[second] < in_flight[first] ? second : first;
}

}  // namespace serin::local::mesh
