#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/status.h"

namespace serin::local {

/// What is wrong with a name, in the API server's words; empty if nothing. (Real texts carry the pattern:
/// `a lowercase RFC 1123 label must consist of ... (e.g. 'my-name', ..., regex used for validation is ...)`.)
std::vector<std::string> check_dns1123_label(std::string_view name);
std::vector<std::string> check_dns1123_subdomain(std::string_view name);
std::vector<std::string> check_dns1035_label(std::string_view name);
/// Label keys, annotation keys, finalizers: "[prefix/]name".
std::vector<std::string> check_qualified_name(std::string_view name);
std::vector<std::string> check_label_value(std::string_view value);
/// "http", "8080-tcp": names of container ports.
std::vector<std::string> check_port_name(std::string_view name);
std::vector<std::string> check_port_number(std::int64_t port);
std::vector<std::string> check_env_var_name(std::string_view name);
/// Keys of ConfigMaps and Secrets.
std::vector<std::string> check_config_key(std::string_view key);
/// RBAC objects and others that are only path segments.
std::vector<std::string> check_path_segment(std::string_view name);

/// Label and annotation maps of an object or template; `path` is e.g. "metadata.labels".
FieldErrors check_labels(const Json& labels, std::string_view path);
FieldErrors check_annotations(const Json& annotations, std::string_view path);

}  // namespace serin::local
