#include "loadtester/shell_words.h"

namespace serin::loadtester {
namespace {

/// Reads a command line (POSIX XCU 2.3 and 2.9), keeping the first word of each simple command.
class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  std::optional<std::vector<std::string>> read() {
    while (at_ < line_.size()) {
      const char c = line_[at_];
      if (c == ' ' || c == '\t') {
        end_word();
        ++at_;
      } else if (c == ';' || c == '\n' || c == '|' || c == '&') {
        if (!read_operator()) return std::nullopt;
      } else if (c == '\'' || c == '"') {
        if (!read_quoted(c)) return std::nullopt;
      } else if (std::string_view("$`\\<>()#").contains(c) || c == '\0') {
        return std::nullopt;
      } else {
        add(line_.substr(at_++, 1));
      }
    }
    end_command();
    return std::move(programs_);
  }

 private:
  /// ; newline | || && end a command; a single & would start a job.
  bool read_operator() {
    const char c = line_[at_];
    const bool twice = at_ + 1 < line_.size() && line_[at_ + 1] == c;
    if (c == '&' && !twice) return false;
    at_ += (c == '|' || c == '&') && twice ? 2 : 1;
    end_command();
    return true;
  }

  bool read_quoted(char quote) {
    const std::size_t end = line_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return false;
    const std::string_view text = line_.substr(at_ + 1, end - at_ - 1);
    if (quote == '"' && text.find_first_of("$`\\") != std::string_view::npos) return false;
    add(text);
    at_ = end + 1;
    return true;
  }

  void add(std::string_view text) {
    in_word_ = true;
    if (!has_program_) program_ += text;
  }
  void end_word() {
    if (in_word_) has_program_ = true;
    in_word_ = false;
  }
  void end_command() {
    end_word();
    if (has_program_) programs_.push_back(std::move(program_));
    program_.clear();
    has_program_ = false;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string program_;
  bool in_word_ = false, has_program_ = false;
  std::vector<std::string> programs_;
};

}  // namespace

std::optional<std::vector<std::string>> programs_of(std::string_view command_line) {
  return Reader(command_line).read();
}

}  // namespace serin::loadtester
