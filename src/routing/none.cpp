#include "routing/none.h"

namespace serin::routing {
namespace {

class NoRouter final : public Router {
 public:
  canary::Capabilities capabilities() const override { return {.shifts = false}; }
  std::vector<kube::Resource> kinds() const override { return {}; }
  std::vector<ObjectKey> objects(const canary::Spec&) const override { return {}; }
  base::Result<Writes> reconcile(const Situation&) const override { return Writes(); }
  base::Result<std::optional<canary::Routes>> read(const Situation&) const override {
    return canary::Routes{};
  }
  base::Result<Writes> set(const Situation&, canary::Routes) const override { return Writes(); }
};

}  // namespace

std::unique_ptr<Router> make_no_router() {
  return std::make_unique<NoRouter>();
}

}  // namespace serin::routing
