#pragma once

#include <map>
#include <optional>
#include <string>

#include "routing/router.h"
#include "routing/services.h"

namespace serin::routing {

/// Labels or annotations as an object has them.
Json to_json(const std::map<std::string, std::string>& values);

/// "podinfo.test" of the apex, as texts name the objects that carry its name.
std::string apex_dotted(const canary::Spec& spec);

/// What two weights of any sum make of the traffic, in percent; a share that isn't 0 counts as 1 at least.
/// nullopt: a negative one, or both 0.
std::optional<canary::Routes> in_percent(double primary, double canary);

/// Refuses routes that no object may ever carry: beyond 0 to 100, or with another sum than 100.
base::Result<void> check(const canary::Routes& routes, const canary::Spec& spec);

/// Labels and annotations of the mesh object: those of spec.service.apex, the selector label, and what keeps
/// Flux away (spec 05 §1.3).
Json apex_metadata(const Situation& situation);

/// A new object of this Canary.
Json new_object(const Situation& situation, const kube::Resource& resource, const std::string& name);

/// "ingresses.networking.k8s.io "podinfo" not found": the API server's words.
std::string not_found(const kube::Resource& resource, const std::string& name);

/// What keeps a provider from session affinity, if the spec wants it.
std::vector<std::string> no_affinity(const canary::Spec& spec, std::string_view provider);

}  // namespace serin::routing
