#pragma once

#include <string_view>

namespace serin::cli::embedded {

/// The files of deploy/controller and deploy/linkerd of these names.
extern const std::string_view namespace_yaml, account_yaml, role_yaml, deployment_yaml,
    authorization_policy_yaml;

}  // namespace serin::cli::embedded
