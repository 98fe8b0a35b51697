#pragma once

#include <string>

#include "canary/spec.h"
#include "routing/http_route.h"

namespace serin::routing {

/// The filters that spec.service asks for, in the reference's order (spec 05 §6.4), and at their end a mirror
/// to `mirror` unless that is null. Null: none.
Json route_filters(const canary::Spec& spec, const RouteDialect& dialect, const Json& mirror);

/// A filter that adds this cookie to responses.
Json cookie_filter(std::string value);

/// "flagger-cookie=XlgLKGYAJS; Max-Age=21600; Path=/": what keeps a browser on a version.
std::string keeping_cookie(const std::string& cookie, const canary::SessionAffinity& affinity);
/// What makes a browser forget it. It has the same attributes: with others a browser keeps the cookie, or
/// refuses to be told.
std::string forgetting_cookie(const std::string& cookie, const canary::SessionAffinity& affinity);

}  // namespace serin::routing
