// Which objects an event concerns: the listeners that connect mirrors with reconcilers, controller by
// controller.
#include "local/controllers/controllers.h"
#include "local/controllers/daemonsets.h"
#include "local/controllers/deployments.h"
#include "local/controllers/endpointslices.h"
#include "local/controllers/namespaces.h"
#include "local/controllers/objects.h"
#include "local/controllers/replicasets.h"

namespace serin::local {

using base::WallTime;
using kube::namespace_of;
namespace res = kube::resources;

namespace {

/// Calls back for what was and what is: an event concerns both the old and the new owner.
template <class Use>
Mirror::Listener each(Use use) {
  return [use](const Json* before, const Json* after) {
    if (before) use(*before);
    if (after) use(*after);
  };
}

/// Looks at the object of this kind that controls `object`; if nothing controls it, at all of the namespace,
/// one of which may want to adopt it.
void enqueue_owner(Reconciler& reconciler, const Mirror& owners, const Json& object) {
  const Json& owner = kube::controller_owner(object);
  const std::string ns = namespace_of(object);
  if (owner["kind"].str() == owners.resource().kind) {
    reconciler.enqueue({ns, owner["name"].str()});
  } else if (owner.is_null()) {
    for (const Json* candidate : owners.in_namespace(ns)) reconciler.enqueue(kube::ref_of(*candidate));
  }
}

}  // namespace

void Controllers::set_up_workloads() {
  Mirror& deployments = mirror(res::deployments);
  Mirror& sets = mirror(res::replicasets);
  Mirror& pods = mirror(res::pods);
  Reconciler& rollouts =
      reconciler("deployment-controller", deployments, [&sets, &pods](const Json& deployment, WallTime now) {
        const std::string ns = namespace_of(deployment);
        return reconcile_deployment(deployment, sets.in_namespace(ns), pods.in_namespace(ns), now);
      });
  Reconciler::Setup setup =
      setup_of("replicaset-controller", sets, [this, &pods](const Json& set, WallTime now) {
        const auto failure = create_failures_.find(kube::ref_of(set));
        return reconcile_replicaset(set, pods.in_namespace(namespace_of(set)),
                                    failure == create_failures_.end() ? "" : failure->second, now, random_);
      });
  setup.observe_write = [this](const ObjectRef& set, const Write& write, const std::string& failure) {
    if (write.verb != Write::Verb::create) return;
    if (failure.empty()) {
      create_failures_.erase(set);
    } else {
      create_failures_[set] = failure;
    }
  };
  Reconciler& replicas = add(std::move(setup));

  sets.on_change([this, &replicas](const Json* before, const Json* after) {
    const ObjectRef ref = kube::ref_of(after ? *after : *before);
    if (!after) create_failures_.erase(ref);
    replicas.enqueue(ref);
  });
  sets.on_change(each([&](const Json& set) { enqueue_owner(rollouts, deployments, set); }));
  pods.on_change(each([&](const Json& pod) { enqueue_owner(replicas, sets, pod); }));
  pods.on_change([&](const Json* before, const Json* after) {
    if (after) return;
    // Recreate waits for the last pod of the old template to go.
    const Json* set = sets.find({namespace_of(*before), kube::controller_owner(*before)["name"].str()});
    if (set) enqueue_owner(rollouts, deployments, *set);
  });
}

void Controllers::set_up_daemonsets() {
  Mirror& sets = mirror(res::daemonsets);
  Mirror& pods = mirror(res::pods);
  Mirror& nodes = mirror(res::nodes);
  Reconciler& daemons =
      reconciler("daemonset-controller", sets, [this, &pods, &nodes](const Json& set, WallTime now) {
        return reconcile_daemonset(set, pods.in_namespace(namespace_of(set)), nodes.all(), now, random_);
      });
  pods.on_change(each([&](const Json& pod) { enqueue_owner(daemons, sets, pod); }));
  nodes.on_change([&](const Json* before, const Json* after) {
    if (before && after && labels_of(*before) == labels_of(*after)) return;  // a heartbeat
    for (const Json* set : sets.all()) daemons.enqueue(kube::ref_of(*set));
  });
}

void Controllers::set_up_endpoints() {
  Mirror& services = mirror(res::services);
  Mirror& pods = mirror(res::pods);
  Mirror& slices = mirror(res::endpointslices);
  Reconciler& endpoints = reconciler(
      "endpoint-slice-controller", services, [this, &pods, &slices](const Json& service, WallTime) {
        const std::string ns = namespace_of(service);
        return reconcile_endpointslices(service, pods.in_namespace(ns), slices.in_namespace(ns), random_);
      });
  pods.on_change(each([&](const Json& pod) {
    for (const Json* service : services.in_namespace(namespace_of(pod))) {
      const Json& selector = service->get("spec", "selector");
      const bool concerned = !selector.empty() && has_labels(labels_of(pod), selector);
      if (concerned) endpoints.enqueue(kube::ref_of(*service));
    }
  }));
  slices.on_change(each([&](const Json& slice) {
    const std::string& service = labels_of(slice)["kubernetes.io/service-name"].str();
    if (!service.empty()) endpoints.enqueue({namespace_of(slice), service});
  }));
}

void Controllers::set_up_hpas() {
  Mirror& hpas = mirror(res::hpas);
  Mirror& pods = mirror(res::pods);
  hpas_ = &add(setup_of("horizontal-pod-autoscaler", hpas, [this, &pods](const Json& hpa, WallTime now) {
    const std::string ns = namespace_of(hpa);
    const auto resource = scale_target_resource(hpa);
    const Json* target =
        resource ? mirror(*resource).find({ns, hpa.get("spec", "scaleTargetRef", "name").str()}) : nullptr;
    return reconcile_hpa(hpa, target, pods.in_namespace(ns), usage_, histories_[kube::uid_of(hpa)], now);
  }));
  // Its own status is no reason to look again: measurements have their period.
  hpas.on_change([this](const Json* before, const Json* after) {
    if (!after) {
      histories_.erase(kube::uid_of(*before));
    } else if (!before || (*before)["spec"] != (*after)["spec"]) {
      hpas_->enqueue(kube::ref_of(*after));
    }
  });
}

void Controllers::set_up_namespaces() {
  kube::ListOptions only_default, only_root_ca;
  only_default.field_selector = "metadata.name=default";
  only_root_ca.field_selector = "metadata.name=kube-root-ca.crt";
  Mirror& all = mirror(res::namespaces);
  Mirror& accounts = mirror(res::serviceaccounts, only_default);
  Mirror& configs = mirror(res::configmaps, only_root_ca);
  Reconciler::Setup setup =
      setup_of("namespace-controller", all, [this, &accounts, &configs](const Json& ns, WallTime) {
        const std::string name = kube::name_of(ns);
        NamespaceView view{accounts.find({name, "default"}), configs.find({name, "kube-root-ca.crt"}), {}};
        if (kube::is_being_deleted(ns)) view.contents = garbage_.graph().in_namespace(name);
        return reconcile_namespace(ns, view, options_.ca_certificate);
      });
  // It goes by the graph, which may run ahead of the mirrors; repeating a removal does no harm.
  setup.has_seen = [](const Expectation&) { return true; };
  setup.contents = [this] {
    std::vector<kube::Resource> kinds;
    for (const auto& [path, one] : graph_mirrors_) {
      if (one->resource().namespaced) kinds.push_back(one->resource());
    }
    return kinds;
  };
  namespaces_ = &add(std::move(setup));
  all.on_change([this](const Json* before, const Json* after) {
    namespaces_->enqueue(kube::ref_of(after ? *after : *before));
  });
  for (Mirror* one : {&accounts, &configs}) {
    one->on_change(each([this](const Json& object) { namespaces_->enqueue({"", namespace_of(object)}); }));
  }
}

}  // namespace serin::local
