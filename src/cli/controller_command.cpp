#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/version.h"

namespace serin::cli {
namespace {

/// What users of the reference have in their manifests and this controller has no part for.
void declare_without_effect(Flags& flags) {
  flags
      .without_effect("control-loop-interval",
                      "Canaries are watched, and each change is acted on when it comes")
      .without_effect("threadiness", "every Canary is driven by itself, without workers")
      .without_effect("ingress-class", "it is for Contour, which is not supported")
      .without_effect("zap-replace-globals", "there is one logger", true);
  constexpr std::string_view klog = "logs go to stderr; see -log-level and -zap-encoding";
  for (const char* name :
       {"v", "vmodule", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "stderrthreshold"}) {
    flags.without_effect(name, klog);
  }
  for (const char* name : {"logtostderr", "alsologtostderr", "add_dir_header", "one_output", "skip_headers",
                           "skip_log_headers"}) {
    flags.without_effect(name, klog, true);
  }
}

void declare(Flags& flags, controller::Options& options, bool& version) {
  flags.text("kubeconfig", options.kubeconfig, "path to a kubeconfig; empty: in-cluster, else $KUBECONFIG")
      .text("master", options.master, "URL of the API server, overrides the kubeconfig's")
      .number("kubeconfig-qps", options.kubeconfig_qps, "requests a second to the API server")
      .integer("kubeconfig-burst", options.kubeconfig_burst, "requests to the API server at once")
      .text("metrics-server", options.metrics_server, "URL of the Prometheus that holds the mesh's metrics")
      .text("log-level", options.log_level, "debug, info, warning or error")
      .text("zap-encoding", options.zap_encoding, "log encoding: json or console")
      .text("address", options.address, "address to serve metrics on; empty: all")
      .integer("port", options.port, "port to serve metrics and health on")
      .text("event-webhook", options.event_webhook, "URL that gets every event")
      .list("include-label-prefix", options.include_label_prefix,
            "prefixes of labels and annotations that the primary gets too; * for all")
      .text("namespace", options.ns, "watch canaries of this namespace only")
      .text("mesh-provider", options.mesh_provider, "how traffic is routed")
      .list("selector-labels", options.selector_labels, "pod labels of which one tells workloads apart")
      .toggle("enable-leader-election", options.leader_election, "act only while holding the lease")
      .text("leader-election-namespace", options.leader_election_namespace, "namespace of the lease")
      .toggle("no-cross-namespace-refs", options.no_cross_namespace_refs,
              "refuse references to other namespaces' objects")
      .toggle("enable-config-tracking", options.config_tracking,
              "a changed ConfigMap or Secret is a revision, and primaries have copies")
      .text("kubeconfig-service-mesh", options.kubeconfig_service_mesh,
            "kubeconfig of the cluster with the mesh's objects: must be the same cluster")
      .duration("interval-min", options.interval_min, "shorter analysis intervals are raised to this")
      .duration("unknown-grace", options.unknown_grace,
                "how long checks may have nothing to judge by before that counts as failed")
      .duration("shared-fault-grace", options.shared_grace,
                "how long a canary may fail checks that its primary fails as well")
      .integer("max-rollouts", options.rollouts_max,
               "so many canaries may be in a run at once; 0: all of them")
      .text("ingress-annotations-prefix", options.routing.ingress_annotations_prefix,
            "prefix of the ingress controller's annotations")
      .text("cluster-name", options.cluster_name, "told with every alert")
      .text("slack-url", options.notifier.slack_url, "Slack's hook, for canaries without alerts of their own")
      .text("slack-token", options.notifier.slack_token, "token of Slack's Web API, instead of a hook")
      .text("slack-proxy-url", options.notifier.slack_proxy_url, "HTTP proxy to Slack")
      .text("slack-user", options.notifier.slack_user, "name that messages in Slack are from")
      .text("slack-channel", options.notifier.slack_channel, "channel for messages in Slack")
      .text("msteams-url", options.notifier.msteams_url, "MS Teams' hook; wins over Slack")
      .text("msteams-proxy-url", options.notifier.msteams_proxy_url, "HTTP proxy to MS Teams")
      .duration("drain-period", options.drain, "time between rerouting traffic and scaling down")
      .toggle("version", version, "print the version and exit");
  declare_without_effect(flags);
}

void apply_environment(controller::Options& options, const Environment& environment) {
  const auto prefer = [&](const char* name, std::string& setting) {
    if (std::string value = environment.get(name); !value.empty()) setting = std::move(value);
  };
  prefer("EVENT_WEBHOOK_URL", options.event_webhook);
  prefer("SLACK_URL", options.notifier.slack_url);
  prefer("SLACK_TOKEN", options.notifier.slack_token);
  prefer("SLACK_PROXY_URL", options.notifier.slack_proxy_url);
  prefer("MSTEAMS_URL", options.notifier.msteams_url);
  prefer("MSTEAMS_PROXY_URL", options.notifier.msteams_proxy_url);
  options.http_proxy = environment.first_of({"HTTP_PROXY", "http_proxy"});
  options.https_proxy = environment.first_of({"HTTPS_PROXY", "https_proxy"});
  options.no_proxy = environment.first_of({"NO_PROXY", "no_proxy"});
  options.kubernetes_host = environment.get("KUBERNETES_SERVICE_HOST");
  options.kubernetes_port = environment.get("KUBERNETES_SERVICE_PORT");
  options.home_kubeconfig = environment.get("KUBECONFIG");
  const std::string home = environment.get("HOME");
  if (options.home_kubeconfig.empty() && !home.empty()) options.home_kubeconfig = home + "/.kube/config";
}

}  // namespace

Parsed<controller::Options> parse_controller(const Words& args, const Environment& environment) {
  Parsed<controller::Options> parsed;
  controller::Options& options = parsed.options;
  bool version = false;
  Flags flags("serin controller");
  declare(flags, options, version);
  parsed.exit_code = exit_code_after_parsing(flags, args);
  if (parsed.exit_code >= 0) return parsed;
  if (version) {
    fmt::print("{}\n", version_text());
    parsed.exit_code = 0;
    return parsed;
  }
  apply_environment(options, environment);
  options.routing.no_cross_namespace_refs = options.no_cross_namespace_refs;
  options.remarks = flags.ignored();
  return parsed;
}

}  // namespace serin::cli
