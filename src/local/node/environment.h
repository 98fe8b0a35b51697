#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace serin::local {

/// Finds a ConfigMap or Secret of a namespace; nullptr if there is none.
using FindObject =
    std::function<const base::Json*(std::string_view kind, std::string_view ns, std::string_view name)>;

/// Variables by name.
using Variables = std::map<std::string, std::string>;

/// Replaces $(NAME) by the variable's value; $$ is one $; what names no variable stays as it is.
std::string expand(std::string_view text, const Variables& variables);

/// The value of a fieldRef ("metadata.labels['app']", "status.podIP", "spec.nodeName", ...) of a pod.
base::Result<std::string> field_of(const base::Json& pod, std::string_view path);

/// A value of a ConfigMap (`data`, `binaryData`) or Secret (`data`), decoded; nullptr content: no such key.
std::optional<std::string> data_of(const base::Json& object, std::string_view key);

/// {SVC}_SERVICE_HOST, {SVC}_SERVICE_PORT and {SVC}_SERVICE_PORT_<NAME> of these Services.
Variables service_variables(const std::vector<const base::Json*>& services);

/// A container's env and envFrom on top of `inherited`, references resolved. Errors carry the kubelet's text
/// (`configmap "x" not found`).
base::Result<Variables> container_variables(const base::Json& pod, const base::Json& container,
                                            Variables inherited, const FindObject& find);

/// What a container runs: command and args, or the image's own. Error (invalid): nothing to run.
base::Result<std::vector<std::string>> container_command(const base::Json& container,
                                                         const std::vector<std::string>& entrypoint,
                                                         const Variables& variables);

}  // namespace serin::local
