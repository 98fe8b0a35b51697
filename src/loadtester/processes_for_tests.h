#pragma once

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <string>

namespace serin::loadtester {

/// Whether a process is there. A zombie counts as gone: its new parent reaps it some time.
inline bool lives(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(status, line);
  return !line.empty() && line.find(") Z ") == std::string::npos;
}

/// Asks again and again for up to 20 s.
inline bool becomes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < deadline) ::usleep(10'000);
  return condition();
}

}  // namespace serin::loadtester
