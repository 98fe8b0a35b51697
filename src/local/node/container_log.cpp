#include "local/node/container_log.h"

#include <filesystem>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;
using base::WallTime;

namespace {

/// A reader that falls this far behind what it follows is let go.
constexpr std::size_t backlog_max = 8u << 20;

/// With nanoseconds, of which the clock knows milliseconds.
std::string time_text(WallTime time) {
  std::string text = base::format_rfc3339_milli(time);
  text.pop_back();
  return text + "000000Z";
}

}  // namespace

std::string LogLine::encode() const {
  return time_text(time) + (stream == 2 ? " stderr " : " stdout ") + (whole ? "F " : "P ") + text + "\n";
}

std::optional<LogLine> LogLine::decode(std::string_view line) {
  const std::size_t blank = line.find(' ');
  if (blank == line.npos || line.size() < blank + 10) return std::nullopt;
  const Result<WallTime> time = base::parse_rfc3339(line.substr(0, blank));
  if (!time) return std::nullopt;
  const std::string_view rest = line.substr(blank + 1);
  return LogLine{*time, rest.starts_with("stderr") ? 2 : 1, rest[7] == 'F', std::string(rest.substr(9))};
}

/// What one reader still has to get.
class ContainerLog::Follower {
 public:
  explicit Follower(base::Executor executor) : more(std::move(executor)) {}

  void add(LogLine line) {
    size += line.text.size();
    lines.push_back(std::move(line));
    more.notify();
  }

  std::deque<LogLine> lines;
  std::size_t size = 0;
  bool ended = false;
  base::Wakeup more;
};

namespace {

class Reader final : public LogStream {
 public:
  Reader(std::shared_ptr<ContainerLog::Follower> source, const LogOptions& options)
      : source_(std::move(source)), timestamps_(options.timestamps), left_(options.limit_bytes) {}

  Task<Result<std::optional<std::string>>> next() override {
    while (source_->lines.empty() && !source_->ended) {
      co_await source_->more.wait();
    }
    if (source_->size > backlog_max)
      co_return fail(Errc::unavailable, "the log grows faster than it is read");
    std::string piece;
    while (!source_->lines.empty() && piece.size() < 32 * 1024) {
      const LogLine& line = source_->lines.front();
      if (timestamps_ && at_line_start_) piece += time_text(line.time) + " ";
      piece += line.text;
      if (line.whole) piece += '\n';
      at_line_start_ = line.whole;
      source_->size -= std::min(source_->size, line.text.size());
      source_->lines.pop_front();
    }
    if (left_) {
      piece.resize(std::min(piece.size(), static_cast<std::size_t>(std::max<std::int64_t>(*left_, 0))));
      *left_ -= static_cast<std::int64_t>(piece.size());
    }
    if (piece.empty()) co_return std::nullopt;
    co_return piece;
  }

 private:
  std::shared_ptr<ContainerLog::Follower> source_;
  bool timestamps_;
  bool at_line_start_ = true;
  std::optional<std::int64_t> left_;
};

void keep_last(std::deque<LogLine>& lines, std::int64_t count) {
  std::int64_t found = 0;
  for (std::size_t i = lines.size(); i-- > 0;) {
    const bool starts_line = i == 0 || lines[i - 1].whole;
    if (starts_line && ++found == count) {
      lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  if (count <= 0) lines.clear();
}

}  // namespace

ContainerLog::ContainerLog(base::Executor executor, base::Clock& clock, std::string path)
    : executor_(std::move(executor)), clock_(clock), path_(std::move(path)) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
  file_.open(path_, std::ios::app | std::ios::binary);
  const auto size = std::filesystem::file_size(path_, error);
  if (!error) size_ = size;
}

void ContainerLog::append(int stream, std::string_view bytes) {
  std::string& rest = unfinished_[stream == 2];
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const bool whole = end != bytes.npos;
    rest += bytes.substr(0, end);
    bytes.remove_prefix(whole ? end + 1 : bytes.size());
    while (rest.size() > line_max) {
      write({clock_.wall_now(), stream, false, rest.substr(0, line_max)});
      rest.erase(0, line_max);
    }
    if (whole) write({clock_.wall_now(), stream, true, std::exchange(rest, {})});
  }
}

void ContainerLog::close() {
  for (const int stream : {1, 2}) {
    std::string& rest = unfinished_[stream == 2];
    if (!rest.empty()) write({clock_.wall_now(), stream, false, std::exchange(rest, {})});
  }
  closed_ = true;
  file_.close();
  for (const auto& weak : std::exchange(followers_, {})) {
    if (const auto follower = weak.lock()) {
      follower->ended = true;
      follower->more.notify();
    }
  }
}

void ContainerLog::write(LogLine line) {
  const std::string text = line.encode();
  if (size_ + text.size() > file_max) {
    std::error_code error;
    file_.close();
    std::filesystem::rename(path_, path_ + ".1", error);
    file_.open(path_, std::ios::trunc | std::ios::binary);
    size_ = 0;
  }
  file_ << text << std::flush;
  size_ += text.size();
  std::erase_if(followers_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : followers_) weak.lock()->add(line);
}

std::deque<LogLine> ContainerLog::stored() const {
  std::deque<LogLine> lines;
  for (const std::string& path : {path_ + ".1", path_}) {
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) {
      if (std::optional<LogLine> decoded = LogLine::decode(line)) lines.push_back(std::move(*decoded));
    }
  }
  return lines;
}

std::unique_ptr<LogStream> ContainerLog::read(const LogOptions& options) {
  std::deque<LogLine> lines = stored();
  std::optional<WallTime> since = options.since_time;
  if (options.since_seconds) since = clock_.wall_now() - std::chrono::seconds(*options.since_seconds);
  if (since) std::erase_if(lines, [&](const LogLine& line) { return line.time < *since; });
  if (options.tail_lines) keep_last(lines, *options.tail_lines);
  const auto source = std::make_shared<Follower>(executor_);
  source->lines = std::move(lines);
  source->ended = closed_ || !options.follow;
  if (!source->ended) followers_.push_back(source);
  return std::make_unique<Reader>(source, options);
}

}  // namespace serin::local
