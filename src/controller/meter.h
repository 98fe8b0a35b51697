#pragma once

#include <array>
#include <map>
#include <string>
#include <tuple>

#include "controller/ports.h"

namespace serin::controller {

/// The controller's own metrics in Prometheus' text format (spec 04 §6). `name` and `workload` are the
/// target's name; series of canaries that are gone go with them.
class PrometheusMeter final : public Meter {
 public:
  PrometheusMeter(std::string version, std::string mesh_provider);

  void status(const canary::Spec& spec, canary::Phase phase) override;
  void weight(const canary::Spec& spec, canary::Routes routes) override;
  void judged(const canary::Spec& spec, base::Duration took) override;
  void outcome(const canary::Spec& spec, const canary::CountOutcome& outcome) override;
  void gone(const canary::Spec& spec) override;
  /// The last value of one of a canary's checks.
  void analysis(const canary::Spec& spec, const std::string& metric, double value);
  /// One request to the API server.
  void request(std::string_view verb, std::string_view resource, int status);

  /// What is counted elsewhere.
  struct Counts {
    std::map<std::string, int> canaries;         ///< by namespace
    std::map<std::string, std::size_t> dropped;  ///< messages that reached nobody, by kind
  };
  /// The page.
  [[nodiscard]] std::string text(const Counts& counts) const;

 private:
  using Labels = std::string;  ///< rendered: name="podinfo",namespace="test"
  static constexpr std::array<double, 11> duration_bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,    2.5,   5,    10};  ///< seconds
  struct Durations {
    std::array<std::int64_t, duration_bounds.size()> up_to{};  ///< each with what is in those before
    std::int64_t count = 0;
    double sum = 0;
  };
  [[nodiscard]] std::string durations() const;

  std::string version_, mesh_provider_;
  std::map<Labels, Durations> durations_;
  std::map<Labels, double> status_, weight_, analysis_;
  std::map<Labels, std::int64_t> successes_, failures_, requests_;
};

}  // namespace serin::controller
