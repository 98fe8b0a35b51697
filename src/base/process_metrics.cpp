#include "base/process_metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

namespace serin::base {
namespace {

std::string head(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Memory {
  std::int64_t all = 0, resident = 0;  ///< bytes
};

Memory memory() {
  Memory pages;
  std::ifstream("/proc/self/statm") >> pages.all >> pages.resident;  // see proc(5)
  const std::int64_t size = ::sysconf(_SC_PAGESIZE);
  return {pages.all * size, pages.resident * size};
}

/// Since the epoch: field 22 of stat is in clock ticks since the machine was started, see proc(5).
double start_time() {
  std::string text;
  std::getline(std::ifstream("/proc/self/stat"), text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0, booted = 0;
  fields >> ticks;
  std::ifstream machine("/proc/stat");
  for (std::string word; machine >> word;) {
    if (word == "btime") machine >> booted;
  }
  return booted + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t descriptors_max() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::int64_t open_descriptors() {
  std::error_code error;
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd", error), {});
}

}  // namespace

std::string process_metrics() {
  std::string text = head("process_cpu_seconds_total", "counter", "CPU time of this process, both kinds.");
  text += fmt::format("process_cpu_seconds_total {:.2f}\n", cpu_seconds());
  const auto [all, resident] = memory();
  text += head("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
  text += fmt::format("process_resident_memory_bytes {}\n", resident);
  text += head("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
  text += fmt::format("process_virtual_memory_bytes {}\n", all);
  text += head("process_start_time_seconds", "gauge", "When this process started, since the epoch.");
  text += fmt::format("process_start_time_seconds {:.2f}\n", start_time());
  text += head("process_max_fds", "gauge", "How many file descriptors may be open.");
  text += fmt::format("process_max_fds {}\n", descriptors_max());
  text += head("process_open_fds", "gauge", "Number of open file descriptors.");
  text += fmt::format("process_open_fds {}\n", open_descriptors());
  return text;
}

}  // namespace serin::base
