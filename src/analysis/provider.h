#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace serin::analysis {

/// The number a query came to. No number is no error: nothing was measured.
struct Measurement {
  std::optional<double> value;
  bool operator==(const Measurement&) const = default;
};

/// A source of numbers. Error texts carry no credentials; their codes tell whose fault it was, see
/// leaves_unknown().
class Provider {
 public:
  virtual ~Provider() = default;
  /// Asks a rendered query, once.
  virtual base::Task<base::Result<Measurement>> query(std::string text) const = 0;
  /// Whether it answers queries at all.
  virtual base::Task<base::Result<void>> check_online() const = 0;
};

/// What a MetricTemplate says about its provider, and what was found for it (spec 08 §8, §9).
struct ProviderSettings {
  std::string type;     ///< "prometheus"; error texts begin with it
  std::string address;  ///< of its API
  std::string region;
  std::map<std::string, std::vector<std::string>> headers;  ///< sent as written
  /// The Secret's data, decoded; nullopt: no secretRef.
  std::optional<std::map<std::string, std::string>> secret;
  std::string interval = "1m";  ///< the metric's, for APIs that ask for a range
};

/// Builds the provider of settings.type. Errors (invalid): an address or credential that is missing or
/// malformed; a type that is not supported, with those that are. `client` outlives the provider.
base::Result<std::unique_ptr<Provider>> make_provider(http::Client& client, ProviderSettings settings);

/// Whether a failed question leaves it unknown how the canary does, as a provider that is down, slow or
/// talks nonsense does. Otherwise the question is wrong, and no waiting will help.
bool leaves_unknown(base::Errc code);

}  // namespace serin::analysis
