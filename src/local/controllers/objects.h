#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "local/controllers/plan.h"

namespace serin::local {

// --- Pods

/// Status "True" of this condition.
bool has_condition(const Json& object, std::string_view type);
/// The condition of this type in `status.conditions`; null if there is none.
const Json& condition_of(const Json& status, std::string_view type);
bool is_ready(const Json& pod);
/// When the Ready condition last changed; nullopt if the pod has none.
std::optional<base::WallTime> ready_changed_at(const Json& pod);
/// Neither ended (Succeeded, Failed) nor being deleted: it counts as a replica.
bool is_active(const Json& pod);
/// Ready for at least minReadySeconds. If it is ready but not yet for long enough, `plan` is woken when it
/// is.
bool is_available(const Json& pod, std::int64_t min_ready_seconds, base::WallTime now, Plan* plan = nullptr);

// --- Labels

/// Whether the labels satisfy a LabelSelector (matchLabels and matchExpressions). An empty or absent one
/// matches nothing: the controllers here must never select everything.
bool selects(const Json& label_selector, const Json& labels);
/// Whether every member of `wanted` is among `labels`. True if `wanted` is empty.
bool has_labels(const Json& labels, const Json& wanted);
const Json& labels_of(const Json& object);
const Json& annotation(const Json& object, std::string_view key);

// --- Ownership

/// The controlling owner reference to `owner`, whose kind is `resource`.
Json controller_reference(const kube::Resource& resource, const Json& owner);
bool is_controlled_by(const Json& object, const Json& owner);
/// The members of `all` (objects of `resource`) that `owner` controls; on the way, `plan` adopts orphans its
/// selector matches, and releases those it no longer matches. Adopted ones count only once written.
Objects claim(const kube::Resource& owner_resource, const Json& owner, const kube::Resource& resource,
              const Objects& all, Plan& plan);

// --- Values

/// maxSurge, maxUnavailable: a number, or a percentage of `total`.
int resolve_int_or_percent(const Json& value, int total, bool round_up);
int to_int(const Json& value, int otherwise);
/// A resourceVersion as a number (this API server counts); 0 if it is none.
std::int64_t version_number(const Json& object);
/// Sets status.<key> as Go's omitempty does: a zero is left out.
void set_unless_zero(Json& object, std::string_view key, std::int64_t value);
std::string time_text(base::WallTime time);
std::optional<base::WallTime> parse_time(const Json& value);
/// Ten characters that name a pod template: the same template gives the same text everywhere.
std::string template_hash(const Json& pod_template);
/// A pod made from a template, named `<owner's name>-<suffix>`.
Json pod_from_template(const kube::Resource& owner_resource, const Json& owner, std::string_view suffix);

}  // namespace serin::local
