#pragma once

#include <string>

#include "base/json.h"

namespace serin::canary {

/// The identity of a revision: a hash of a workload's pod template (labels, annotations, spec) that depends
/// on the data alone, not on key order, nulls or empty members. 's' and 16 hexadecimal digits, so that hashes
/// of other controllers are told apart (spec 01 §5.1).
std::string template_hash(const base::Json& pod_template);

/// Whether a stored hash is one of ours.
bool is_own_hash(std::string_view hash);

/// A version 4 style UUID that depends on these texts alone.
std::string stable_uuid(std::string_view first, std::string_view second);

}  // namespace serin::canary
