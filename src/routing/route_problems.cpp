#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/time.h"
#include "routing/http_route.h"
#include "routing/match.h"

namespace serin::routing {
namespace {

class Problems {
 public:
  Problems(const canary::Spec& spec, const RouteDialect& dialect)
      : spec_(spec), service_(spec.service.routing), dialect_(dialect) {}

  std::vector<std::string> all() {
    matches();
    parents();
    if (attaches_to_service(spec_)) on_service();
    if (dialect_.timeouts) {
      duration("timeout");
      duration("backendTimeout");
    }
    return std::move(list_);
  }

 private:
  void add(std::string text) { list_.push_back(std::move(text)); }

  void matches() {
    const Supported supported = {{Subject::uri, {"exact", "prefix", "regex"}},
                                 {Subject::method, {"exact"}},
                                 {Subject::header, {"exact", "regex"}},
                                 {Subject::query, {"exact", "regex"}}};
    const Matches tested = read_matches(spec_.match, "spec.analysis.match");
    for (const Matches& list : {read_matches(service_["match"], "spec.service.match"), tested})
      std::ranges::move(problems_of(list, "an HTTPRoute", supported), std::back_inserter(list_));
    for (const MatchItem& item : tested.items) {
      if (item.conditions.empty() && tested.problems.empty())
        add(fmt::format("{}: is empty and would send everybody to the canary, remove it", item.path));
    }
  }

  void parents() {
    const Json& refs = service_["gatewayRefs"];
    const Json parents = route_parents(spec_);
    for (std::size_t i = 0; i < refs.items().size(); ++i) {
      const std::string path = fmt::format("spec.service.gatewayRefs[{}]", i);
      const bool service = parents.at(i)["kind"].str() == "Service";
      if (refs.at(i)["name"].str().empty()) add(path + ".name: is required");
      if (service && refs.at(i)["namespace"].str_or(spec_.ns) != spec_.ns) {
        add(fmt::format("{}.namespace: the backends of a route are looked for where its Service is, use {}",
                        path, spec_.ns));
      }
      if (service && !service_["hosts"].empty() && !all_services(parents)) {
        add(path + ": a Service beside a Gateway would be bound to spec.service.hosts, remove one of them");
      }
      if (!service && dialect_.linkerd) {
        add(fmt::format(
            "{}.kind: HTTPRoutes of {} attach to Services only; use Service, or install the Gateway API",
            path, dialect_.resource.group));
      }
    }
  }

  static bool all_services(const Json& parents) {
    return std::ranges::all_of(parents.items(),
                               [](const Json& one) { return one["kind"].str() == "Service"; });
  }

  /// Linkerd silently ignores a whole route for any of these (spec 05 §7).
  void on_service() {
    constexpr const char* remedy = "remove it, or let spec.service.gatewayRefs name a Gateway";
    const auto refuse = [&](const char* field) {
      add(fmt::format("{}: a mesh ignores an HTTPRoute of a Service that has this; {}", field, remedy));
    };
    if (spec_.mirror) refuse("spec.analysis.mirror");
    if (!service_["mirror"].empty()) refuse("spec.service.mirror");
    if (!service_["rewrite"].empty()) refuse("spec.service.rewrite");
    if (!service_["corsPolicy"].empty()) refuse("spec.service.corsPolicy");
    if (spec_.service.headless) refuse("spec.service.headless");
    if (dialect_.linkerd && !service_.get("headers", "response").empty())
      refuse("spec.service.headers.response");
  }

  void duration(const char* field) {
    const Json& value = service_[field];
    if (value.is_null()) return;
    if (const auto parsed = base::parse_duration(value.str()); !parsed)
      add(fmt::format("spec.service.{}: {}", field, parsed.error().message));
  }

  const canary::Spec& spec_;
  const Json& service_;
  const RouteDialect& dialect_;
  std::vector<std::string> list_;
};

}  // namespace

std::vector<std::string> route_problems(const canary::Spec& spec, const RouteDialect& dialect) {
  return Problems(spec, dialect).all();
}

}  // namespace serin::routing
