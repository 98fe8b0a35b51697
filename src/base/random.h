#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace serin::base {

/// The source of chance of the world a component lives in: seeded from the system, or by a simulation.
class Random {
 public:
  /// The same seed gives the same sequence on every machine.
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// Seeded by the operating system.
  static Random from_system();

  std::uint64_t next() { return engine_(); }
  /// A number in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  /// A number in [0, 1).
  double fraction() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  /// A random (version 4) UUID.
  std::string uuid();
  /// `length` characters of Kubernetes' name suffix alphabet (no vowels, nothing that looks alike).
  std::string name_suffix(std::size_t length);

 private:
  std::mt19937_64 engine_;
};

}  // namespace serin::base
