#include "cli/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "cli/flags.h"
#include "cli/version.h"
#include "loadtester/run.h"
#include "local/mesh/mesh_proxy.h"
#include "local/node/agent.h"
#include "podinfo/run.h"

namespace serin::cli {
namespace {

constexpr std::string_view usage_text =
    R"(Serin: progressive delivery for Kubernetes and Linkerd, drop-in for Flagger.

Usage: serin <command> [flags]

  local up       a whole cluster on this machine, controller included: kubectl apply works at once
  install        print the manifests for a cluster: serin install | kubectl apply -f -
  controller     the controller, for any cluster
  loadtester     the webhook server that runs load tests and gates
  podinfo        the demo workload
  podcli         its probe command
  pause, resume, approve, promote, rollback, restart NAME
                 what people ask of a running release
  version        print the version

serin <command> -help lists a command's flags.
)";

int usage_error(std::string_view problem) {
  fmt::print(stderr, "serin: {}\n\n{}", problem, usage_text);
  return 2;
}

podinfo::World world_of(const Environment& environment) {
  podinfo::World world;
  if (std::string tag = environment.get("SERIN_IMAGE_TAG"); !tag.empty()) world.version = std::move(tag);
  world.bind_address = environment.get("SERIN_BIND_ADDRESS");
  world.environment = environment.variables();
  return world;
}

// --- Parts of the embedded cluster, started by `serin local up` only

int node_agent(const Words& args) {
  local::AgentOptions options;
  Flags flags("serin node-agent");
  flags.integer("socket-fd", options.socket_fd, "inherited socket to the parent")
      .toggle("shared", options.shared, "don't use namespaces");
  const int exit_code = exit_code_after_parsing(flags, args);
  return exit_code >= 0 ? exit_code : local::run_node_agent(std::move(options));
}

int mesh_proxy(const Words& args) {
  local::MeshProxyOptions options;
  Flags flags("serin mesh-proxy");
  flags.integer("config-fd", options.config_fd, "inherited socket that brings the configuration")
      .integer("metrics-fd", options.metrics_fd, "inherited listening socket of the metrics pages")
      .integer("forward-proxy-fd", options.forward_proxy_fd,
               "inherited listening socket of the forward proxy");
  const int exit_code = exit_code_after_parsing(flags, args);
  return exit_code >= 0 ? exit_code : local::run_mesh_proxy(options);
}

int controller(const Words& args, const Environment& environment) {
  Parsed<controller::Options> parsed = parse_controller(args, environment);
  return parsed.exit_code >= 0 ? parsed.exit_code : controller::run_controller(std::move(parsed.options));
}

int request(const std::string& verb, Words args, const Environment& environment) {
  Parsed<controller::RequestOptions> parsed = parse_request(verb, std::move(args), environment);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  if (parsed.options.name.empty())
    return usage_error(fmt::format("which canary? serin {} NAME -n NAMESPACE", verb));
  return controller::run_request(std::move(parsed.options));
}

int install(const Words& args) {
  const Parsed<InstallOptions> parsed = parse_install(args);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  const base::Result<std::string> text = manifests(parsed.options);
  if (!text) {
    fmt::print(stderr, "serin install: {}\n", text.error().message);
    return 2;
  }
  fmt::print("{}", *text);
  return 0;
}

int local_up(Words args, const Environment& environment, std::string program) {
  if (args.empty() || args[0] != "up") return usage_error("did you mean: serin local up");
  args.erase(args.begin());
  Parsed<local::ClusterOptions> parsed = parse_local_up(args, environment, std::move(program));
  return parsed.exit_code >= 0 ? parsed.exit_code : local::run_cluster(std::move(parsed.options));
}

}  // namespace

std::string version_text() {
  return "Serin 0.1.0 (behaves as Flagger 1.44.0)";
}

std::string Environment::get(std::string_view name) const {
  for (const std::string& variable : variables_) {
    if (variable.starts_with(name) && variable.substr(name.size()).starts_with('=')) {
      return variable.substr(name.size() + 1);
    }
  }
  return {};
}

std::string Environment::first_of(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    if (std::string value = get(name); !value.empty()) return value;
  }
  return {};
}

int run(Words words, const Environment& environment, std::string program) {
  std::string command = words.empty() ? "" : std::filesystem::path(words[0]).filename().string();
  if (!words.empty()) words.erase(words.begin());
  if (command == "flagger") return controller(words, environment);
  if (command != "podinfo" && command != "podcli" && command != "loadtester") {
    if (words.empty()) return usage_error("no command was given");
    command = words[0];
    words.erase(words.begin());
  }
  if (command == "podinfo") return podinfo::run_podinfo(std::move(words), world_of(environment));
  if (command == "podcli") return podinfo::run_podcli(std::move(words), world_of(environment));
  if (command == "loadtester") {
    return loadtester::run_loadtester(std::move(words),
                                      {environment.get("SERIN_BIND_ADDRESS"), environment.variables()});
  }
  if (command == "install") return install(words);
  if (command == "controller") return controller(words, environment);
  if (command == "local") return local_up(std::move(words), environment, std::move(program));
  for (const std::string_view verb : {"pause", "resume", "approve", "promote", "rollback", "restart"}) {
    if (command == verb) return request(command, std::move(words), environment);
  }
  if (command == "node-agent") return node_agent(words);
  if (command == "mesh-proxy") return mesh_proxy(words);
  if (command == "version" || command == "-version" || command == "--version") {
    fmt::print("{}\n", version_text());
    return 0;
  }
  if (command == "help" || command == "-help" || command == "--help" || command == "-h") {
    fmt::print("{}", usage_text);
    return 0;
  }
  return usage_error(fmt::format("unknown command \"{}\"", command));
}

}  // namespace serin::cli
