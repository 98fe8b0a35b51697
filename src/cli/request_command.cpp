#include "cli/commands.h"
#include "cli/flags.h"

namespace serin::cli {

Parsed<controller::RequestOptions> parse_request(const std::string& verb, Words args,
                                                 const Environment& environment) {
  Parsed<controller::RequestOptions> parsed;
  controller::RequestOptions& options = parsed.options;
  options.verb = verb;
  // The name may come first, as with kubectl, or last.
  if (!args.empty() && !args.front().starts_with("-")) {
    options.name = args.front();
    args.erase(args.begin());
  } else if (!args.empty()) {
    options.name = args.back();
    args.pop_back();
  }
  const std::string user = environment.get("USER");
  options.by = user.empty() ? "serin" : user;
  Flags flags("serin " + verb + " NAME");
  flags.text("n", options.ns, "the Canary's namespace")
      .text("reason", options.reason, "why; told in the Event")
      .text("by", options.by, "who asks; told in the Event")
      .text("kubeconfig", options.connection.kubeconfig, "path to a kubeconfig; empty: $KUBECONFIG");
  if (options.name.starts_with("-")) args.push_back(options.name);
  parsed.exit_code = exit_code_after_parsing(flags, args);
  options.connection.home_kubeconfig = environment.get("KUBECONFIG");
  const std::string home = environment.get("HOME");
  if (options.connection.home_kubeconfig.empty() && !home.empty())
    options.connection.home_kubeconfig = home + "/.kube/config";
  return parsed;
}

}  // namespace serin::cli
