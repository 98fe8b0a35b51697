#include "routing/nginx.h"

#include <fmt/format.h>

#include <charconv>

#include "routing/common.h"
#include "routing/linkerd.h"
#include "routing/nginx_match.h"
#include "routing/smi.h"

namespace serin::routing {
namespace {

/// Annotations that make other controllers act on an Ingress: on the shadow they would act twice.
bool is_others(std::string_view key) {
  return key == "kubectl.kubernetes.io/last-applied-configuration" || key.starts_with("cert-manager.io/") ||
         key.starts_with("external-dns.alpha.kubernetes.io/");
}

/// What the main Ingress's spec looks like with the canary behind it: only what leads to the apex, since
/// ingress-nginx may lose the locations of anything else that is in both (spec 07 §7.1). Null: nothing does.
Json shadow_spec(const Json& main, const canary::Spec& spec) {
  const std::string apex = service_name(spec, Role::apex), canary = service_name(spec, Role::canary);
  Json rules = Json::array();
  for (const Json& rule : main.get("spec", "rules").items()) {
    Json paths = Json::array();
    for (const Json& path : rule.get("http", "paths").items()) {
      if (path.get("backend", "service", "name").str() != apex) continue;
      paths.push_back(path);
      paths.make_array().back().set("backend", "service", "name") = canary;
    }
    if (paths.empty()) continue;
    rules.push_back(rule);
    rules.make_array().back().set("http", "paths") = std::move(paths);
  }
  Json shadow = main["spec"];
  shadow.erase("rules");
  if (!rules.empty()) shadow.set("rules") = std::move(rules);
  if (shadow.get("defaultBackend", "service", "name").str() == apex) {
    shadow.set("defaultBackend", "service", "name") = canary;
  } else {
    shadow.erase("defaultBackend");
  }
  return shadow.contains("rules") || shadow.contains("defaultBackend") ? shadow : Json();
}

class NginxRouter final : public Router {
 public:
  explicit NginxRouter(const std::string& prefix) : prefix_(prefix + "/") {}

  canary::Capabilities capabilities() const override { return {.matches = true}; }
  std::vector<kube::Resource> kinds() const override {
    std::vector<kube::Resource> kinds = {ingress()};
    kinds.insert(kinds.end(), split_resources().begin(), split_resources().end());
    return kinds;
  }
  std::vector<ObjectKey> objects(const canary::Spec& spec) const override {
    std::vector<ObjectKey> objects = {{ingress(), {spec.ns, spec.ingress_name}},
                                      {ingress(), shadow_ref(spec)}};
    for (const kube::Resource& split : split_resources())
      objects.push_back({split, {spec.ns, spec.service.name}});
    return objects;
  }

  std::vector<std::string> problems(const canary::Spec& spec) const override {
    std::vector<std::string> problems = no_affinity(spec, "NGINX");
    if (spec.ingress_name.empty()) problems.push_back(no_selector);
    std::ranges::move(nginx_match(spec).problems, std::back_inserter(problems));
    return problems;
  }

  base::Result<Writes> reconcile(const Situation& situation) const override {
    const canary::Spec& spec = situation.spec;
    if (const std::string conflict = ingress_conflict(situation); !conflict.empty())
      return base::fail(base::Errc::conflict, conflict);
    const base::Result<const Json*> main = find_main(situation);
    if (!main) return base::fail(main.error());
    Json wanted = shadow_spec(**main, spec);
    if (wanted.is_null()) {
      return base::fail(base::Errc::invalid, fmt::format("backend {} not found in ingress {}",
                                                         spec.service.name, dotted(spec, spec.ingress_name)));
    }
    const Json* live = situation.live(ingress(), shadow_ref(spec));
    if (!live) return Writes{creation(situation, **main, std::move(wanted))};
    if (const std::string other = stranger(*live, spec); !other.empty())
      return base::fail(base::Errc::conflict,
                        fmt::format("ingress {}: {}", shadow_ref(spec).dotted(), other));
    Json shadow = *live;
    shadow.set("spec") = std::move(wanted);
    for (const char* field : {"labels", "annotations"}) {
      for (const Json::Member& member : copied(**main, field).members())
        shadow.set("metadata", field, member.key) = member.value;
    }
    annotate(shadow, spec, weights(*live, spec).value_or(canary::Routes{}));
    if (shadow == *live) return Writes();
    return Writes{update(std::move(shadow), spec, fmt::format("Ingress {} updated", shadow_ref(spec).name))};
  }

  base::Result<std::optional<canary::Routes>> read(const Situation& situation) const override {
    const Json* live = situation.live(ingress(), shadow_ref(situation.spec));
    if (!live) return std::nullopt;
    return weights(*live, situation.spec);
  }

  base::Result<Writes> set(const Situation& situation, canary::Routes routes) const override {
    const canary::Spec& spec = situation.spec;
    if (const base::Result<void> sound = check(routes, spec); !sound) return base::fail(sound.error());
    const Json* live = situation.live(ingress(), shadow_ref(spec));
    if (!live) return base::fail(query_error(spec, shadow_ref(spec).name));
    Json shadow = *live;
    annotate(shadow, spec, routes);
    if (shadow == *live) return Writes();
    return Writes{update(std::move(shadow), spec, "")};
  }

 private:
  static constexpr const char* no_selector =
      "ingress selector is empty: set spec.ingressRef.name to the Ingress that leads to the service";

  static const kube::Resource& ingress() { return kube::resources::ingresses; }
  static std::string dotted(const canary::Spec& spec, const std::string& name) {
    return name + "." + spec.ns;
  }
  static kube::ObjectRef shadow_ref(const canary::Spec& spec) {
    return {spec.ns, spec.ingress_name + "-canary"};
  }

  static base::Error query_error(const canary::Spec& spec, const std::string& name) {
    return {base::Errc::not_found, fmt::format("ingress {} get query error: {}", dotted(spec, name),
                                               not_found(kube::resources::ingresses, name))};
  }

  base::Result<const Json*> find_main(const Situation& situation) const {
    const canary::Spec& spec = situation.spec;
    if (spec.ingress_name.empty()) return base::fail(base::Errc::invalid, no_selector);
    const Json* main = situation.live(ingress(), {spec.ns, spec.ingress_name});
    if (!main) return base::fail(query_error(spec, spec.ingress_name));
    if (main->get("metadata", "annotations", prefix_ + "canary").str() != "true") return main;
    return base::fail(
        base::Errc::invalid,
        fmt::format("ingress {} is itself a canary ({}canary): let spec.ingressRef name the one that "
                    "serves everybody",
                    dotted(spec, spec.ingress_name), prefix_));
  }

  /// Whose the shadow is if it isn't ours: one without owner is, if it carries what only we put there.
  std::string stranger(const Json& live, const canary::Spec& spec) const {
    const bool unowned = kube::controller_owner(live).is_null();
    if (!unowned) return foreign_controller(live, spec);
    if (live.get("metadata", "annotations").contains(prefix_ + "canary")) return "";
    return "it is not this Canary's: delete it, or give it another name";
  }

  /// Labels or annotations of the main Ingress that the shadow has too.
  Json copied(const Json& main, std::string_view field) const {
    Json result = Json::object();
    for (const Json::Member& member : main.get("metadata", field).members()) {
      if (!member.key.contains(prefix_ + "canary") && !is_others(member.key))
        result.set(member.key) = member.value;
    }
    return result;
  }

  Write creation(const Situation& situation, const Json& main, Json wanted) const {
    const canary::Spec& spec = situation.spec;
    const kube::ObjectRef ref = shadow_ref(spec);
    Json shadow = new_object(situation, ingress(), ref.name);
    if (Json labels = copied(main, "labels"); !labels.empty())
      shadow.set("metadata", "labels") = std::move(labels);
    Json& annotations = shadow.set("metadata", "annotations");
    annotations = copied(main, "annotations");
    keep_flux_away(annotations);
    annotate(shadow, spec, {});
    shadow.set("spec") = std::move(wanted);
    return {ingress(), std::move(shadow), Write::Verb::create,
            fmt::format("ingress {} create error", ref.dotted()),
            fmt::format("Ingress {} created", ref.dotted())};
  }

  static Write update(Json shadow, const canary::Spec& spec, std::string done) {
    return {ingress(), std::move(shadow), Write::Verb::replace,
            fmt::format("ingress {} update error", shadow_ref(spec).dotted()), std::move(done)};
  }

  /// Puts the canary annotations that say `routes`, and no others: a stale canary-by-header-value would win
  /// over a new pattern.
  void annotate(Json& shadow, const canary::Spec& spec, canary::Routes routes) const {
    Json annotations = Json::object();
    for (const Json::Member& member : shadow.get("metadata", "annotations").members()) {
      if (!member.key.starts_with(prefix_ + "canary")) annotations.set(member.key) = member.value;
    }
    annotations.set(prefix_ + "canary") = "true";
    annotations.set(prefix_ + "canary-weight") = fmt::format("{}", spec.has_match() ? 0 : routes.canary);
    if (spec.has_match() && routes.canary > 0) {
      for (const auto& [key, value] : nginx_match(spec).annotations) annotations.set(prefix_ + key) = value;
    }
    shadow.set("metadata", "annotations") = std::move(annotations);
  }

  base::Result<canary::Routes> weights(const Json& shadow, const canary::Spec& spec) const {
    const Json& annotations = shadow.get("metadata", "annotations");
    if (spec.has_match()) {
      const bool matching = annotations.contains(prefix_ + "canary-by-header") ||
                            annotations.contains(prefix_ + "canary-by-cookie");
      return matching ? canary::Routes{0, 100} : canary::Routes{};
    }
    const std::string text = annotations[prefix_ + "canary-weight"].str_or("0");
    int weight = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
    if (error == std::errc() && end == text.data() + text.size() && weight >= 0 && weight <= 100)
      return canary::Routes{100 - weight, weight};
    return base::fail(
        base::Errc::invalid,
        fmt::format("failed to convert {} to int: annotation {}canary-weight of ingress {} has to be "
                    "a number from 0 to 100",
                    text, prefix_, shadow_ref(spec).dotted()));
  }

  std::string prefix_;  ///< "nginx.ingress.kubernetes.io/"
};

}  // namespace

std::unique_ptr<Router> make_nginx_router(const std::string& prefix) {
  return std::make_unique<NginxRouter>(prefix);
}

}  // namespace serin::routing
