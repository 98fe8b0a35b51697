#include "tests/kubernetes/scenarios.h"

#include <fmt/format.h>

#include <array>

namespace serin::kubernetes_test {
namespace {

namespace resources = kube::resources;
using base::Json;
using base::Task;

/// Each scenario begins with podinfo 6.0.0 as the primary.
Task<void> begin(Stage* stage, std::function<void(Json&)> change = {}, std::string manifest = "canary.yaml") {
  co_await stage->create(std::move(manifest), std::move(change));
  co_await stage->expect_event("Initialization done");
  co_await stage->expect_objects("initialized");
}

Task<void> end(Stage* stage) {
  co_await stage->expect_objects("end");
  stage->expect_all_events();
}

Task<void> promote(Stage* stage) {
  co_await stage->install();
  co_await begin(stage);
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("New revision");
  co_await stage->expect_event("canary weight 20");
  co_await stage->expect_objects("weight20");
  co_await stage->expect_event("Copying");
  co_await stage->expect_objects("promoting");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

Task<void> rollback_errors(Stage* stage) {
  co_await stage->install();
  co_await begin(stage);
  co_await stage->set_image("podinfo:6.0.2");
  co_await stage->expect_event("canary weight 20");
  stage->measure("classification", 69.17);
  co_await stage->expect_event("Canary failed");
  co_await end(stage);
}

Task<void> custom_404(Stage* stage) {
  const std::string of = fmt::format("namespace=\"{}\",deployment=\"podinfo\"", stage->ns());
  const std::string query = fmt::format(
      "100 - sum(rate(response_total{{{0},status_code!=\"404\",direction=\"inbound\"}}[1m])) / "
      "sum(rate(response_total{{{0},direction=\"inbound\"}}[1m])) * 100",
      of);
  stage->measure("404", 0);
  co_await stage->install();
  co_await begin(stage, [query](Json& canary) {
    canary.set("spec", "analysis", "metrics") =
        Json::array({Json::object({{"name", "404s percentage"}, {"threshold", 3}, {"query", query}})});
  });
  co_await stage->set_image("podinfo:6.0.3");
  co_await stage->expect_event("canary weight 20");
  stage->measure("404", 6.2);
  co_await stage->expect_event("Canary failed");
  co_await end(stage);
}

Task<void> restart_midway(Stage* stage) {
  co_await stage->install();
  co_await begin(stage);
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("canary weight 40");
  co_await stage->set_image("podinfo:6.0.2");
  co_await stage->expect_event("Restarting analysis");
  co_await stage->expect_objects("restarted");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

/// Environment from the ConfigMap, files from the Secret.
void use_configs(Json& object) {
  if (object["kind"].str() != "Deployment") return;
  Json& pod = object.set("spec", "template", "spec");
  Json& container = pod.set("containers").make_array().front();
  container.set("envFrom") =
      Json::array({Json::object({{"configMapRef", Json::object({{"name", "podinfo-config"}})}})});
  container.set("volumeMounts") = Json::array({Json::object({{"name", "sec"}, {"mountPath", "/sec"}})});
  pod.set("volumes") = Json::array(
      {Json::object({{"name", "sec"}, {"secret", Json::object({{"secretName", "podinfo-secret"}})}})});
}

Task<void> config_change(Stage* stage) {
  co_await stage->install(use_configs);
  co_await stage->create("configs.yaml");
  co_await begin(stage, [](Json& canary) { canary.set("spec", "analysis", "maxWeight") = 20; });
  Json config;
  config.set("data", "color") = "green";
  co_await stage->merge(resources::configmaps, "podinfo-config", std::move(config));
  co_await stage->expect_event("New revision");
  co_await stage->expect_event("Promotion completed");
  co_await stage->expect_objects("promoted");
  Json secret;
  secret.set("stringData", "token") = "b";
  co_await stage->merge(resources::secrets, "podinfo-secret", std::move(secret));
  co_await stage->expect_event("New revision");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

Task<void> revert_delete(Stage* stage) {
  co_await stage->install();
  co_await begin(stage, [](Json& canary) { canary.set("spec", "revertOnDeletion") = true; });
  co_await stage->remove_canary();
  co_await stage->expect_event("Terminated canary");
  co_await end(stage);
}

Task<void> skip(Stage* stage) {
  co_await stage->install();
  co_await begin(stage, [](Json& canary) { canary.set("spec", "skipAnalysis") = true; });
  co_await stage->set_image("podinfo:6.0.7");
  co_await stage->expect_event("Canary analysis was skipped");
  co_await end(stage);
}

Json scaled_object() {
  Json object = Json::object({{"apiVersion", "keda.sh/v1alpha1"}, {"kind", "ScaledObject"}});
  object.set("metadata", "name") = "podinfo";
  object.set("spec", "scaleTargetRef", "name") = "podinfo";
  object.set("spec", "triggers") = Json::array({Json::object({{"type", "cpu"}})});
  return object;
}

/// Every gate once closed and opened, then a release that the rollback hook ends at the last gate.
Task<void> gates(Stage* stage) {
  for (const char* gate : {"rollout", "increase", "promotion", "rollback"}) stage->answer_hook(gate, 403);
  co_await stage->install();
  co_await begin(stage, {}, "canary-gates.yaml");
  co_await stage->set_image("podinfo:6.0.5");
  co_await stage->expect_event("waiting for approval gate-rollout");
  stage->answer_hook("rollout", 200);
  co_await stage->expect_event("waiting for traffic increase approval gate-increase");
  stage->answer_hook("increase", 200);
  co_await stage->expect_event("canary weight 20");
  co_await stage->expect_event("waiting for promotion approval gate-promotion");
  stage->answer_hook("promotion", 200);
  co_await stage->expect_event("Promotion completed");
  stage->answer_hook("promotion", 403);
  co_await stage->set_image("podinfo:6.0.6");
  co_await stage->expect_event("waiting for promotion approval gate-promotion");
  stage->answer_hook("rollback", 200);
  co_await stage->expect_event("Canary failed");
  co_await stage->expect_event("Post-rollout check after passed");
  co_await end(stage);
}

Task<void> bluegreen(Stage* stage) {
  co_await stage->install();
  co_await begin(stage, {}, "canary-bluegreen.yaml");
  co_await stage->set_image("podinfo:6.0.4");
  co_await stage->expect_event("iteration 1/3");
  co_await stage->expect_objects("iteration1");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

Task<void> daemonset(Stage* stage) {
  co_await stage->install({}, "daemonset.yaml");
  co_await begin(stage, [](Json& canary) {
    canary.set("spec", "targetRef", "kind") = "DaemonSet";
    canary.set("spec").erase("autoscalerRef");
  });
  co_await stage->set_image("podinfo:6.0.9", resources::daemonsets);
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

Task<void> gatewayapi(Stage* stage) {
  co_await stage->install();
  co_await stage->create("metric-templates.yaml");
  co_await begin(stage, {}, "canary-gatewayapi.yaml");
  co_await stage->set_image("podinfo:6.0.8");
  co_await stage->expect_event("canary weight 20");
  co_await stage->expect_objects("shifted");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

Task<void> abtest_nginx(Stage* stage) {
  co_await stage->install();
  co_await stage->create("ingress.yaml");
  co_await begin(stage, {}, "canary-abtest-nginx.yaml");
  co_await stage->set_image("podinfo:6.0.4");
  co_await stage->expect_event("iteration 1/3");
  co_await stage->expect_objects("iteration1");
  co_await stage->expect_event("Promotion completed");
  co_await end(stage);
}

/// Two releases with KEDA instead of the HPA: one that is promoted, one that is rolled back.
Task<void> keda(Stage* stage) {
  co_await stage->install([](Json& object) {
    if (object["kind"].str() == "HorizontalPodAutoscaler") object = scaled_object();
  });
  co_await stage->create("canary.yaml", [](Json& canary) {
    canary.set("spec", "autoscalerRef", "apiVersion") = "keda.sh/v1alpha1";
    canary.set("spec", "autoscalerRef", "kind") = "ScaledObject";
  });
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("Promotion completed");
  stage->measure("classification", 69.17);
  co_await stage->set_image("podinfo:6.0.2");
  co_await stage->expect_event("Canary failed");
}

// --- Not recorded: what they must tell is written from the descriptions of strategies, gates and failures.

/// Lists instead of steps, and the traffic goes back in steps, too: 40/60, 90/10, 100/0.
Task<void> step_weights(Stage* stage) {
  co_await stage->install();
  co_await stage->create("canary.yaml", [](Json& canary) {
    Json& analysis = canary.set("spec", "analysis");
    analysis.erase("maxWeight");
    analysis.erase("stepWeight");
    analysis.set("stepWeights") = Json::array({20, 60});
    analysis.set("stepWeightPromotion") = 50;
  });
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("Promotion completed");
  stage->expect_all_events();
}

Task<void> bluegreen_mesh(Stage* stage) {
  co_await stage->install();
  co_await stage->create("canary-bluegreen.yaml", [](Json& canary) {
    canary.set("spec").erase("provider");
    canary.set("spec", "analysis", "iterations") = 2;
  });
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("Promotion completed");
  stage->expect_all_events();
}

/// Without autoscaler, so that one pod is all there is.
void fail_soon(Json& canary) {
  canary.set("spec").erase("autoscalerRef");
  canary.set("spec", "progressDeadlineSeconds") = 10;
}

/// The new revision's pods never become ready.
Task<void> deadline(Stage* stage) {
  co_await stage->install();
  co_await stage->create("canary.yaml", fail_soon);
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:broken");
  co_await stage->expect_event("Canary failed");
  stage->expect_all_events();
}

/// The new revision runs well as the canary, and not at all as the primary, which gets its old one back.
Task<void> failed_promotion(Stage* stage) {
  co_await stage->install();
  co_await stage->create("canary.yaml", [](Json& canary) {
    fail_soon(canary);
    canary.set("spec", "analysis", "maxWeight") = 20;
  });
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:broken-primary");
  co_await stage->expect_event("Promotion of podinfo.g-failed-promotion failed");
  co_await stage->expect_event("Routing all traffic to primary");
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("Promotion completed");
  stage->expect_all_events();
}

/// Back to what runs already: nothing is left to analyse.
Task<void> revert_midway(Stage* stage) {
  co_await stage->install();
  co_await stage->create("canary.yaml");
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:6.0.1");
  co_await stage->expect_event("canary weight 20");
  co_await stage->set_image("podinfo:6.0.0");
  co_await stage->expect_event("Promoted revision restored");
  stage->expect_all_events();
}

/// A newer revision comes while the promotion waits for its gate.
Task<void> restart_at_gate(Stage* stage) {
  stage->answer_hook("promotion", 403);
  stage->answer_hook("rollback", 403);
  co_await stage->install();
  co_await stage->create("canary-gates.yaml");
  co_await stage->expect_event("Initialization done");
  co_await stage->set_image("podinfo:6.0.5");
  co_await stage->expect_event("waiting for promotion approval");
  co_await stage->set_image("podinfo:6.0.6");
  co_await stage->expect_event("Restarting analysis");
  co_await stage->expect_event("waiting for promotion approval");
  stage->answer_hook("promotion", 200);
  co_await stage->expect_event("Promotion completed");
  stage->expect_all_events();
}

}  // namespace

std::span<const Scenario> scenarios() {
  static constexpr std::array all = {
      Scenario{"promote", promote},
      Scenario{"rollback-errors", rollback_errors},
      Scenario{"custom-404", custom_404},
      Scenario{"restart-midway", restart_midway},
      Scenario{"config-change", config_change},
      Scenario{"revert-delete", revert_delete},
      Scenario{"skip", skip},
      Scenario{"gates", gates},
      Scenario{"bluegreen", bluegreen},
      Scenario{"daemonset", daemonset},
      Scenario{"gatewayapi", gatewayapi},
      Scenario{"abtest-nginx", abtest_nginx},
      Scenario{"keda", keda},
      Scenario{"step-weights", step_weights},
      Scenario{"bluegreen-mesh", bluegreen_mesh},
      Scenario{"deadline", deadline},
      Scenario{"failed-promotion", failed_promotion},
      Scenario{"revert-midway", revert_midway},
      Scenario{"restart-at-gate", restart_at_gate},
  };
  return all;
}

}  // namespace serin::kubernetes_test
