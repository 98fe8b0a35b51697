#pragma once

#include <string>

namespace serin::base {

/// The process_* families that Prometheus' client libraries export, of this process, in Prometheus' text
/// format.
std::string process_metrics();

}  // namespace serin::base
