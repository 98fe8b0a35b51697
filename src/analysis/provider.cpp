#include "analysis/provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/prometheus.h"

namespace serin::analysis {

using base::Errc;
using base::Result;

namespace {

using Made = Result<std::unique_ptr<Provider>>;

struct Type {
  std::string_view name;
  Made (*make)(http::Client&, ProviderSettings);
};

Made make_prometheus(http::Client& client, ProviderSettings settings) {
  auto options = prometheus_options(std::move(settings));
  if (!options) return base::fail(options.error());
  auto server = Prometheus::make(client, *std::move(options));
  if (!server) return base::fail(server.error());
  return std::make_unique<Prometheus>(*std::move(server));
}

constexpr std::array types{Type{"prometheus", make_prometheus}};

std::string names_of_types() {
  std::string names;
  for (const Type& type : types) names += (names.empty() ? "" : ", ") + std::string(type.name);
  return names;
}

}  // namespace

Made make_provider(http::Client& client, ProviderSettings settings) {
  const auto found = std::ranges::find(types, settings.type, &Type::name);
  if (found == types.end()) {
    return base::fail(Errc::invalid, fmt::format("provider type \"{}\" is not supported, use one of: {}",
                                                 settings.type, names_of_types()));
  }
  return found->make(client, std::move(settings));
}

bool leaves_unknown(Errc code) {
  return code == Errc::unavailable || code == Errc::timeout || code == Errc::internal;
}

}  // namespace serin::analysis
