#pragma once

#include <string>

namespace serin::cli {

/// "Serin 0.1.0 (behaves as Flagger 1.44.0)"
std::string version_text();

}  // namespace serin::cli
