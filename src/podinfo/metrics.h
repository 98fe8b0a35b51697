#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace serin::podinfo {

/// podinfo's own metrics (spec 11 §9.1), in Prometheus' text format.
class Metrics {
 public:
  void observe(const std::string& method, const std::string& path, int status, double seconds);
  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::array<const char*, 11> bounds = {".005", ".01", ".025", ".05", ".1", ".25",
                                                         ".5",   "1",   "2.5",  "5",   "10"};
  struct Histogram {
    std::array<std::uint64_t, bounds.size()> at_most{};  ///< observations up to each bound
    std::uint64_t count = 0;
    double sum = 0;
  };
  std::map<std::tuple<std::string, std::string, int>, Histogram> durations_;
  std::map<int, std::uint64_t> requests_;
};

}  // namespace serin::podinfo
