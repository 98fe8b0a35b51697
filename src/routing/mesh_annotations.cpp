#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "routing/http_route.h"

namespace serin::routing {
namespace {

bool is_status(std::string_view text) {
  return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The conditions of Envoy's list that Linkerd has too. None asked for: those of a gateway in trouble.
std::string retry_conditions(const std::string& retry_on) {
  if (retry_on.empty()) return "gateway-error";
  std::string result;
  std::istringstream list(retry_on);
  for (std::string entry; std::getline(list, entry, ',');) {
    std::erase(entry, ' ');
    if (entry != "5xx" && entry != "gateway-error" && !is_status(entry)) continue;
    result += (result.empty() ? "" : ",") + entry;
  }
  return result;
}

}  // namespace

Json mesh_annotations(const canary::Spec& spec, const RouteDialect& dialect) {
  Json annotations = Json::object();
  if (!attaches_to_service(spec)) return annotations;
  const Json& retries = spec.service.routing["retries"];
  const std::string conditions = retry_conditions(retries["retryOn"].str());
  if (retries["attempts"].int_or(0) > 0 && !conditions.empty()) {
    annotations.set("retry.linkerd.io/http") = conditions;
    annotations.set("retry.linkerd.io/limit") = fmt::format("{}", retries["attempts"].int_or(0));
    if (const std::string& each = retries["perTryTimeout"].str(); !each.empty())
      annotations.set("retry.linkerd.io/timeout") = one_unit(each);
  }
  if (const std::string& timeout = spec.service.routing["timeout"].str();
      !timeout.empty() && !dialect.timeouts)
    annotations.set("timeout.linkerd.io/request") = one_unit(timeout);
  return annotations;
}

}  // namespace serin::routing
