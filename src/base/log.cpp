#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "base/time.h"

namespace serin::base {
namespace {

constexpr std::string_view level_names[] = {"debug", "info", "warn", "error"};

/// "controller/actor.cpp:33": the last folder, the file and the line.
std::string caller_of(const std::source_location& where) {
  std::string_view path = where.file_name();
  const auto slash = path.rfind('/');
  const auto before = slash == std::string_view::npos ? slash : path.rfind('/', slash - 1);
  if (before != std::string_view::npos) path.remove_prefix(before + 1);
  return fmt::format("{}:{}", path, where.line());
}

}  // namespace

struct Logger::Output {
  Sink sink;
  Level lowest;
  bool console;
};

Logger::Logger(Sink sink, Level lowest, bool console_encoding)
    : output_(std::make_shared<const Output>(std::move(sink), lowest, console_encoding)) {}

Logger Logger::with(std::string_view key, Json value) const {
  Logger copy = *this;
  copy.fields_.push_back({std::string(key), std::move(value)});
  return copy;
}

void Logger::write(Level level, std::string_view text, std::source_location where) const {
  if (!output_ || level < output_->lowest) return;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::string_view name = level_names[static_cast<std::size_t>(level)];
  Json fields = Json::object();
  for (const Json::Member& field : fields_) fields.set(field.key) = field.value;
  if (output_->console) {
    std::string line = fmt::format("{}\t{}\t{}\t{}", format_rfc3339_milli(now), name, caller_of(where), text);
    if (!fields.empty()) line += "\t" + fields.dump();
    output_->sink(level, line);
    return;
  }
  Json line = Json::object(
      {{"level", name}, {"ts", format_rfc3339_milli(now)}, {"caller", caller_of(where)}, {"msg", text}});
  for (const Json::Member& field : fields.members()) line.set(field.key) = field.value;
  output_->sink(level, line.dump());
}

Logger stderr_logger(Level lowest, bool console_encoding) {
  return Logger(
      [](Level, std::string_view line) {
        std::string text(line);
        text += '\n';
        // One write a line, so that lines of several processes on one terminal do not mix.
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
      },
      lowest, console_encoding);
}

Level parse_level(std::string_view name) {
  if (name == "debug") return Level::debug;
  if (name == "warn" || name == "warning") return Level::warn;
  if (name == "error" || name == "fatal" || name == "panic") return Level::error;
  return Level::info;
}

}  // namespace serin::base
