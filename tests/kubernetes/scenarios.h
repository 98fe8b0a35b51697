#pragma once

#include <span>

#include "tests/kubernetes/stage.h"

namespace serin::kubernetes_test {

/// A story that is played on a stage of its own, "g-<name>"; expected/<name>/ holds what must come of it.
struct Scenario {
  const char* name;
  base::Task<void> (*play)(Stage*);
};

/// All of them: those that were recorded with the reference, and a few more.
std::span<const Scenario> scenarios();

}  // namespace serin::kubernetes_test
