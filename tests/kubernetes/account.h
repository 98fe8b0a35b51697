#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kube/api.h"

namespace serin::kubernetes_test {

/// Gives the controller the account that its pod has: creates the account, roles and bindings of `manifests`
/// (deploy/controller), and writes a kubeconfig with a token of it, for the server of `admin`'s and beside
/// it. Errors name the object.
base::Task<base::Result<std::filesystem::path>> install_account(kube::Api* api,
                                                                std::filesystem::path manifests,
                                                                std::filesystem::path admin);

/// What that account has asked for and was refused, from an audit log: "list /api/v1/services".
std::vector<std::string> forbidden_requests(const std::filesystem::path& audit_log);

}  // namespace serin::kubernetes_test
