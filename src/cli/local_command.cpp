#include "cli/commands.h"
#include "cli/flags.h"

namespace serin::cli {

Parsed<local::ClusterOptions> parse_local_up(const Words& args, const Environment& environment,
                                             std::string program) {
  Parsed<local::ClusterOptions> parsed;
  local::ClusterOptions& options = parsed.options;
  std::string share = environment.get("XDG_DATA_HOME");
  if (share.empty()) share = environment.get("HOME") + "/.local/share";
  std::string data = share + "/serin", images;
  bool no_controller = false;

  Flags flags("serin local up");
  flags.text("data", data, "folder for everything that is kept: objects, credentials, metrics, logs")
      .port("port", options.api_port, "port of the API server on 127.0.0.1; 0: any free one")
      .port("prometheus-port", options.prometheus_port, "port of Prometheus on 127.0.0.1; 0: any free one")
      .toggle("no-controller", no_controller, "don't start a controller, so that another can be run")
      .text("mesh-provider", options.mesh_provider,
            "the controller's -mesh-provider: linkerd, nginx, gatewayapi:v1, ...")
      .text("images", images, "file that says which programs stand in for which images")
      .toggle("shared", options.shared, "don't use namespaces: pods share the host's network and files");
  parsed.exit_code = exit_code_after_parsing(flags, args);
  options.data = std::move(data);
  options.images = std::move(images);
  options.controller = !no_controller;
  options.program = std::move(program);
  return parsed;
}

}  // namespace serin::cli
