#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/install.h"
#include "controller/options.h"
#include "controller/request.h"
#include "local/options.h"

namespace serin::cli {

using Words = std::vector<std::string>;

/// The environment this process was started with; only `main` reads the real one.
class Environment {
 public:
  explicit Environment(Words variables) : variables_(std::move(variables)) {}
  /// Empty if unset.
  [[nodiscard]] std::string get(std::string_view name) const;
  /// The first of these that is set and not empty.
  [[nodiscard]] std::string first_of(std::initializer_list<std::string_view> names) const;
  [[nodiscard]] const Words& variables() const { return variables_; }

 private:
  Words variables_;  ///< "NAME=value" each
};

/// What the words of a command come to: options to run it with, or the exit code to end with at once.
template <class Options>
struct Parsed {
  Options options;
  int exit_code = -1;  ///< -1: go on
};

/// `serin controller` (spec 04 §1): flags, over them the environment where the reference does it so.
Parsed<controller::Options> parse_controller(const Words& args, const Environment& environment);
/// `serin local up`. `program` is this binary's own path.
Parsed<local::ClusterOptions> parse_local_up(const Words& args, const Environment& environment,
                                             std::string program);

/// `serin pause | resume | approve | promote | rollback | restart NAME`.
Parsed<controller::RequestOptions> parse_request(const std::string& verb, Words args,
                                                 const Environment& environment);

/// `serin install`.
Parsed<InstallOptions> parse_install(const Words& args);

/// Runs what `words` name: words[0] is the name the program was called by (flagger, which is the controller,
/// loadtester, podinfo and podcli are programs of their own), then a subcommand and its arguments. Returns
/// the exit code.
int run(Words words, const Environment& environment, std::string program);

}  // namespace serin::cli
