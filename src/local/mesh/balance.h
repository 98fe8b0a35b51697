#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/random.h"

namespace serin::local::mesh {

/// One backend of a split as the draw sees it.
struct Candidate {
  std::uint64_t weight = 0;
  bool ready = false;  ///< at least one endpoint of it is ready
};

/// Draws a backend for one request, each ready candidate with the probability weight / sum of the ready
/// weights (spec 07 §4): weight 0 is never drawn, not even as a last resort, and a candidate that is not
/// ready leaves its share to the others. nullopt: nobody can answer. One draw of `random` at most, none when
/// a single candidate is left.
std::optional<std::size_t> choose(std::span<const Candidate> candidates, base::Random& random);

/// Picks an endpoint by its number of requests in flight: the less loaded of two different random ones, the
/// first drawn when they are equal. nullopt only for an empty list.
std::optional<std::size_t> choose_endpoint(std::span<const std::uint32_t> in_flight, base::Random& random);

}  // namespace serin::local::mesh
