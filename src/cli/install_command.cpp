#include "cli/commands.h"
#include "cli/flags.h"

namespace serin::cli {

Parsed<InstallOptions> parse_install(const Words& args) {
  Parsed<InstallOptions> parsed;
  InstallOptions& options = parsed.options;
  Flags flags("serin install");
  flags.text("n", options.ns, "namespace; any other than the usual one must be there")
      .text("mesh-provider", options.mesh_provider, "how traffic is routed")
      .text("metrics-server", options.metrics_server,
            "URL of Prometheus; empty: Linkerd's, or http://prometheus:9090")
      .text("image", options.image, "image of the controller; empty: serin:0.1.0")
      .toggle("linkerd-auth-policy", options.authorization_policy,
              "also let the controller ask Linkerd's Prometheus, which 2.12 and later want to be told");
  parsed.exit_code = exit_code_after_parsing(flags, args);
  return parsed;
}

}  // namespace serin::cli
