#pragma once

#include <string>

#include "local/ingress/ingress_plan.h"

namespace serin::local {

/// NGINX's whole configuration, with paths relative to its prefix. The same plan gives the same text.
///
/// Which upstream a request gets is worked out by NGINX itself: for each location with a canary one variable
/// a rule ("c": to the canary, "m": to main, "": no say), of which the first that has a say decides
/// (spec 07 §7.2).
///
/// `serial` is its first line, a comment. Where NGINX listens is in the file listen.conf beside it, since
/// only its pod knows.
std::string nginx_config(const IngressPlan& plan, int serial);

}  // namespace serin::local
