#include "local/node/proc.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace serin::local {

namespace {

/// Reads /proc/<pid>/stat (proc(5)); false when the process is gone.
bool read_stat(pid_t pid, ProcessInfo& info) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  // The name, in parentheses, may itself contain blanks and parentheses.
  const std::size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return false;
  char state = 0;
  int parent = 0, group = 0, session = 0;
  long long user = 0, system = 0, waited_user = 0, waited_system = 0, rss_pages = 0;
  const int read = std::sscanf(
      line.c_str() + end_of_name + 1,
      " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld %*d %*d %*d %*d %*u %*u %lld", &state,
      &parent, &group, &session, &user, &system, &waited_user, &waited_system, &rss_pages);
  if (read != 9) return false;
  info.parent = parent;
  info.session = session;
  info.cpu_ns = (user + system + waited_user + waited_system) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  info.rss_bytes = rss_pages * ::sysconf(_SC_PAGESIZE);
  return true;
}

}  // namespace

std::map<pid_t, ProcessInfo> all_processes() {
  std::map<pid_t, ProcessInfo> processes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc() || end != name.data() + name.size()) continue;
    ProcessInfo info;
    if (read_stat(pid, info)) processes.emplace(pid, info);
  }
  return processes;
}

std::vector<pid_t> descendants(const std::map<pid_t, ProcessInfo>& processes, pid_t root, bool with_session) {
  std::set<pid_t> found{root};
  for (std::size_t before = 0; before != found.size();) {
    before = found.size();
    for (const auto& [pid, info] : processes) {
      if (found.contains(info.parent) || (with_session && info.session == root)) found.insert(pid);
    }
  }
  found.erase(root);
  return {found.begin(), found.end()};
}

}  // namespace serin::local
