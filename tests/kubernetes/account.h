#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "kube/api.h"

namespace serin::kubernetes_test {

/// Gives the controller the account that its pod has: creates the account, roles and bindings of `manifests`
/// (deploy/controller), and writes a kubeconfig with a token of it, for the server of `admin`'s and beside
/// it. Errors name the object.
base::Task<base::Result<std::filesystem::path>> install_account(kube::Api* api,
                                                                std::filesystem::path manifests,
                                                                std::filesystem::path admin);

/// As audit logs name it.
inline constexpr std::string_view controllers_account = "system:serviceaccount:flagger-system:flagger";

}  // namespace serin::kubernetes_test
