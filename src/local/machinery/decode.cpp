#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "local/machinery/types.h"

namespace serin::local {

namespace {

using Sax = nlohmann::json_sax<nlohmann::json>;

/// Follows the parser through a document and notes members that an object has twice.
class DuplicateFinder final : public Sax {
 public:
  std::vector<std::string> found;

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Level& top = levels_.back();
    const bool again = std::ranges::find(top.keys, name) != top.keys.end();
    top.keys.push_back(name);
    if (again) found.push_back(path());
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  struct Level {
    bool array = false;
    std::size_t index = 0;
    std::vector<std::string> keys;
  };

  bool value() {
    if (!levels_.empty()) ++levels_.back().index;
    return true;
  }
  bool open(bool array) {
    levels_.push_back({array, 0, {}});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return value();
  }
  [[nodiscard]] std::string path() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.array) {
        path += fmt::format("[{}]", level.index);
      } else {
        path += (path.empty() ? "" : ".") + level.keys.back();
      }
    }
    return path;
  }

  std::vector<Level> levels_;
};

StatusResult<Decoded> finish(Json object, std::vector<std::string> problems, const Type& type,
                             std::string_view version, std::string_view kind, FieldValidation validation) {
  const auto refuse = [&](std::string_view why) {
    return std::unexpected(StatusError::bad_request(
        fmt::format("{0} in version {1} cannot be handled as a {0}: {2}", kind, go_quoted(version), why)));
  };
  if (const std::string mismatch = type_mismatch(object, type); !mismatch.empty()) return refuse(mismatch);
  for (const std::string& path : unknown_fields(object, type)) {
    problems.push_back(fmt::format("unknown field {}", go_quoted(path)));
  }
  if (validation == FieldValidation::strict && !problems.empty()) {
    return refuse(fmt::format("strict decoding error: {}", fmt::join(problems, ", ")));
  }
  prune(object, type);
  drop_nulls(object, type);
  if (validation == FieldValidation::ignore) problems.clear();
  return Decoded{std::move(object), std::move(problems)};
}

}  // namespace

std::vector<std::string> duplicate_fields(std::string_view json_text) {
  DuplicateFinder finder;
  nlohmann::json::sax_parse(json_text.begin(), json_text.end(), static_cast<Sax*>(&finder));
  return std::move(finder.found);
}

StatusResult<Decoded> decode(std::string_view json_text, const Type& type, std::string_view version,
                             std::string_view kind, FieldValidation validation) {
  base::Result<Json> object = Json::parse(json_text);
  if (!object) return std::unexpected(StatusError::bad_request(object.error().message));
  std::vector<std::string> problems;
  if (validation != FieldValidation::ignore) {
    for (const std::string& path : duplicate_fields(json_text)) {
      problems.push_back(fmt::format("duplicate field {}", go_quoted(path)));
    }
  }
  return finish(std::move(*object), std::move(problems), type, version, kind, validation);
}

StatusResult<Decoded> decode_object(Json object, const Type& type, std::string_view version,
                                    std::string_view kind, FieldValidation validation) {
  return finish(std::move(object), {}, type, version, kind, validation);
}

}  // namespace serin::local
