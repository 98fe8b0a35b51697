#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace serin::base {

enum class Level { debug, info, warn, error };

/// Where log lines go. One JSON object a line, with the field names users already parse (spec 04 §7):
/// level, ts, caller, msg, and the logger's fields. Loggers are values handed down by their owner; `with`
/// makes one that adds a field to every line.
class Logger {
 public:
  /// Receives finished lines, without line break.
  using Sink = std::function<void(Level, std::string_view line)>;

  /// Discards everything.
  Logger() = default;
  Logger(Sink sink, Level lowest, bool console_encoding = false);

  [[nodiscard]] Logger with(std::string_view key, Json value) const;

  void debug(std::string_view text, std::source_location where = std::source_location::current()) const {
    write(Level::debug, text, where);
  }
  void info(std::string_view text, std::source_location where = std::source_location::current()) const {
    write(Level::info, text, where);
  }
  void warn(std::string_view text, std::source_location where = std::source_location::current()) const {
    write(Level::warn, text, where);
  }
  void error(std::string_view text, std::source_location where = std::source_location::current()) const {
    write(Level::error, text, where);
  }
  void write(Level level, std::string_view text, std::source_location where) const;

 private:
  struct Output;
  std::shared_ptr<const Output> output_;
  std::vector<Json::Member> fields_;
};

/// A logger on this process's stderr.
Logger stderr_logger(Level lowest, bool console_encoding = false);

/// Reads debug, info, warn, warning, error; fatal and panic count as error, anything else as info (spec 04
/// §1).
Level parse_level(std::string_view name);

}  // namespace serin::base
