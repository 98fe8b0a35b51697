#include "analysis/metric_templates.h"

#include <fmt/format.h>

#include "base/base64.h"

namespace serin::analysis {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;
using base::Task;
using canary::Metric;
using canary::Spec;

namespace {

std::string namespace_of(const Spec& spec, const Metric& metric) {
  return metric.template_namespace.empty() ? spec.ns : metric.template_namespace;
}

/// The cause as the reference's listers word it; anything but absence is the server's own text.
std::string lookup_failure(const base::Error& error, std::string_view kind, std::string_view name) {
  if (error.code == Errc::not_found) return fmt::format("{} \"{}\" not found", kind, name);
  return error.message;
}

/// Decoded byte for byte; what is no base64 counts as missing.
std::map<std::string, std::string> read_secret(const Json& secret) {
  std::map<std::string, std::string> values;
  for (const Json::Member& entry : secret["data"].members()) {
    auto decoded = base::base64_decode(entry.value.str());
    if (decoded) values[entry.key] = *std::move(decoded);
  }
  return values;
}

}  // namespace

std::string MetricTemplates::label(const Spec& spec, const Metric& metric) {
  return fmt::format("{}.{}", metric.template_name, namespace_of(spec, metric));
}

Task<Result<ProviderSettings>> MetricTemplates::read_settings(Json provider, std::string ns,
                                                              std::string label) const {
  ProviderSettings settings{.type = provider["type"].str(),
                            .address = provider["address"].str(),
                            .region = provider["region"].str()};
  for (const Json::Member& header : provider["headers"].members()) {
    for (const Json& value : header.value.items()) settings.headers[header.key].push_back(value.str());
  }
  const std::string name = provider.get("secretRef", "name").str();
  if (name.empty()) co_return settings;
  auto secret = co_await api_.get(kube::resources::secrets, ns, name);
  if (!secret) {
    co_return fail(secret.error().code, fmt::format("{} secret {} error: {}", label, name,
                                                    lookup_failure(secret.error(), "secrets", name)));
  }
  settings.secret = read_secret(*secret);
  co_return settings;
}

Task<Result<MetricTemplates::Loaded>> MetricTemplates::load(Spec spec, Metric metric) const {
  const std::string name = label(spec, metric);
  const std::string ns = namespace_of(spec, metric);
  if (no_cross_namespace_refs_ && ns != spec.ns) {
    co_return fail(
        Errc::forbidden,
        fmt::format("{} error: can't access metric template {}, cross-namespace references are blocked", name,
                    name));
  }
  auto object = co_await api_.get(kube::resources::metric_templates, ns, metric.template_name);
  if (!object) {
    const std::string cause =
        lookup_failure(object.error(), "metrictemplate.flagger.app", metric.template_name);
    co_return fail(object.error().code, fmt::format("{} error: {}", name, cause));
  }
  const Json& described = object->get("spec", "provider");
  auto settings = co_await read_settings(described, ns, name);
  if (!settings) co_return fail(settings.error());
  settings->interval = metric.interval;
  Loaded loaded{object->get("spec", "query").str(), settings->type, nullptr};
  http::Client& client = described["insecureSkipVerify"].bool_or(false) ? insecure_ : client_;
  auto provider = make_provider(client, *std::move(settings));
  if (!provider) {
    co_return fail(provider.error().code,
                   fmt::format("{} provider {} error: {}", name, loaded.type, provider.error().message));
  }
  loaded.provider = *std::move(provider);
  co_return loaded;
}

}  // namespace serin::analysis
