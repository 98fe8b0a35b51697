#include "kube/discovery.h"

#include <algorithm>

namespace serin::kube {

base::Task<base::Result<std::vector<std::string>>> group_versions(Api& api, std::string group) {
  auto answer = co_await api.get_path("/apis/" + group);
  if (!answer && answer.error().code == base::Errc::not_found) co_return std::vector<std::string>{};
  if (!answer) co_return base::fail(std::move(answer.error()));
  std::vector<std::string> versions;
  for (const Json& offered : (*answer)["versions"].items()) versions.push_back(offered["version"].str());
  const auto preferred = std::ranges::find(versions, answer->get("preferredVersion", "version").str());
  if (preferred != versions.end()) std::rotate(versions.begin(), preferred, preferred + 1);
  co_return versions;
}

}  // namespace serin::kube
