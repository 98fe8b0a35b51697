#pragma once

#include <deque>
#include <fstream>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.h"
#include "local/apiserver/node_api.h"

namespace serin::local {

/// A piece of a container's output.
struct LogLine {
  base::WallTime time;
  int stream = 1;     ///< 1: stdout, 2: stderr
  bool whole = true;  ///< ended by a line break (which is not part of `text`)
  std::string text;

  /// The line as it stands in the file: "<time> stdout F <text>", the form of container runtimes.
  [[nodiscard]] std::string encode() const;
  static std::optional<LogLine> decode(std::string_view line);
  bool operator==(const LogLine&) const = default;
};

/// The log of one instance of a container: written line by line to a file, with the file before it kept when
/// it grows beyond `file_max`, and read from there. Single-threaded.
class ContainerLog : public std::enable_shared_from_this<ContainerLog> {
 public:
  static constexpr std::size_t file_max = 10u << 20;
  static constexpr std::size_t line_max = 16u << 10;  ///< longer lines are kept in pieces

  ContainerLog(base::Executor executor, base::Clock& clock, std::string path);

  /// Adds bytes as the program has written them.
  void append(int stream, std::string_view bytes);
  /// No more will come: followers end.
  void close();
  /// What options ask for; with `follow`, until close().
  [[nodiscard]] std::unique_ptr<LogStream> read(const LogOptions& options);

  class Follower;

 private:
  void write(LogLine line);
  [[nodiscard]] std::deque<LogLine> stored() const;

  base::Executor executor_;
  base::Clock& clock_;
  std::string path_;
  std::ofstream file_;
  std::size_t size_ = 0;
  std::string unfinished_[2];
  bool closed_ = false;
  std::list<std::weak_ptr<Follower>> followers_;
};

}  // namespace serin::local
