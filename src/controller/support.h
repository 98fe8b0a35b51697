#pragma once

#include <string>
#include <vector>

#include "canary/spec.h"

namespace serin::controller {

/// What a sound spec asks for and this controller cannot do, in the words of a problem with the spec: such a
/// canary is refused before anything changes. `provider`: of the spec, else the controller's.
std::vector<std::string> unsupported(const canary::Spec& spec, const std::string& provider);

}  // namespace serin::controller
