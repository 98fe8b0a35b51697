#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

namespace serin::local {

/// What /proc says of one process.
struct ProcessInfo {
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t cpu_ns = 0;     ///< its own and that of the children it has waited for
  std::int64_t rss_bytes = 0;  ///< resident memory
};

/// Every process that /proc shows.
std::map<pid_t, ProcessInfo> all_processes();

/// The processes below `root`, and with `with_session` those of the session that `root` leads (which outlive
/// their parent); without `root` itself.
std::vector<pid_t> descendants(const std::map<pid_t, ProcessInfo>& processes, pid_t root, bool with_session);

}  // namespace serin::local
