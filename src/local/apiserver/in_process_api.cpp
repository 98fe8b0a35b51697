#include "local/apiserver/in_process_api.h"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "local/apiserver/discovery.h"

namespace serin::local {
namespace {

using base::Result;
using base::Task;

constexpr base::Duration bookmark_interval = std::chrono::minutes(1);

WriteFlags flags_of(const kube::WriteOptions& options) {
  return {.manager = options.field_manager, .dry_run = options.dry_run, .force = options.force};
}

class InProcessWatch final : public kube::Watch {
 public:
  InProcessWatch(base::Executor executor, std::unique_ptr<Subscription> subscription, Registry& registry,
                 base::Clock& clock, bool metadata_only)
      : wakeup_(executor),
        executor_(std::move(executor)),
        subscription_(std::move(subscription)),
        registry_(registry),
        clock_(clock),
        metadata_only_(metadata_only) {
    subscription_->on_change([this] { wakeup_.notify(); });
  }

  Task<Result<std::optional<kube::WatchEvent>>> next() override {
    base::MonoTime bookmark_at = clock_.now() + bookmark_interval;
    for (;;) {
      co_await boost::asio::post(executor_, boost::asio::use_awaitable);
      StatusResult<std::optional<Event>> event = subscription_->next();
      if (!event) co_return base::fail(to_error(event.error()));
      if (event->has_value()) co_return value_of(**event);
      if (subscription_->ended()) co_return std::nullopt;
      const bool woken = co_await wakeup_.wait_until(clock_, bookmark_at);
      if (!woken) co_return value_of(subscription_->bookmark(registry_.revision()));
    }
  }

 private:
  std::optional<kube::WatchEvent> value_of(const Event& event) const {
    return kube::WatchEvent{event.type, metadata_only_ ? partial_metadata(*event.object) : *event.object};
  }

  base::Wakeup wakeup_;
  base::Executor executor_;
  std::unique_ptr<Subscription> subscription_;
  Registry& registry_;
  base::Clock& clock_;
  bool metadata_only_;
};

Result<Json> value_of(StatusResult<Written> written) {
  if (!written) return base::fail(to_error(written.error()));
  return *written->object;
}

}  // namespace

Json partial_metadata(const Json& object) {
  return Json::object({{"kind", "PartialObjectMetadata"},
                       {"apiVersion", "meta.k8s.io/v1"},
                       {"metadata", object["metadata"]}});
}

InProcessApi::InProcessApi(base::Executor executor, Registry& registry, base::Clock& clock)
    : executor_(std::move(executor)), registry_(registry), clock_(clock) {}

Task<void> InProcessApi::turn() {
  co_await boost::asio::post(executor_, boost::asio::use_awaitable);
}

Task<Result<Json>> InProcessApi::get(kube::Resource resource, std::string ns, std::string name) {
  co_await turn();
  StatusResult<ObjectPtr> object = registry_.get(resource, {ns, name});
  if (!object) co_return base::fail(to_error(object.error()));
  co_return **object;
}

Task<Result<kube::List>> InProcessApi::list(kube::Resource resource, std::string ns,
                                            kube::ListOptions options) {
  co_await turn();
  const ListFlags flags{options.label_selector, options.field_selector, options.resource_version,
                        options.continue_token, options.limit};
  StatusResult<Listed> listed = registry_.list(resource, ns, flags);
  if (!listed) co_return base::fail(to_error(listed.error()));
  kube::List result{.resource_version = std::to_string(listed->revision),
                    .continue_token = listed->continue_token};
  result.items.reserve(listed->items.size());
  for (const ObjectPtr& object : listed->items) {
    result.items.push_back(options.metadata_only ? partial_metadata(*object) : *object);
  }
  co_return result;
}

Task<Result<std::unique_ptr<kube::Watch>>> InProcessApi::watch(kube::Resource resource, std::string ns,
                                                               std::string resource_version,
                                                               kube::ListOptions options) {
  co_await turn();
  const WatchFlags flags{options.label_selector, options.field_selector, resource_version};
  StatusResult<std::unique_ptr<Subscription>> subscription = registry_.watch(resource, ns, flags);
  if (!subscription) co_return base::fail(to_error(subscription.error()));
  co_return std::make_unique<InProcessWatch>(executor_, std::move(*subscription), registry_, clock_,
                                             options.metadata_only);
}

Task<Result<Json>> InProcessApi::create(kube::Resource resource, std::string ns, Json object,
                                        kube::WriteOptions options) {
  co_await turn();
  const std::string home = ns.empty() ? kube::namespace_of(object) : ns;
  co_return value_of(registry_.create(resource, home, std::move(object), flags_of(options)));
}

Task<Result<Json>> InProcessApi::replace(kube::Resource resource, Json object, std::string subresource,
                                         kube::WriteOptions options) {
  co_await turn();
  const kube::ObjectRef ref = kube::ref_of(object);
  co_return value_of(registry_.replace(resource, ref, subresource, std::move(object), flags_of(options)));
}

Task<Result<Json>> InProcessApi::patch(kube::Resource resource, std::string ns, std::string name,
                                       kube::PatchType type, Json patch, std::string subresource,
                                       kube::WriteOptions options) {
  co_await turn();
  co_return value_of(registry_.patch(resource, {ns, name}, subresource, type, patch, flags_of(options)));
}

Task<Result<void>> InProcessApi::remove(kube::Resource resource, std::string ns, std::string name,
                                        kube::DeleteOptions options) {
  co_await turn();
  const StatusResult<Removed> removed =
      registry_.remove(resource, {ns, name}, {.options = std::move(options)});
  if (!removed) co_return base::fail(to_error(removed.error()));
  co_return Result<void>();
}

Task<Result<Json>> InProcessApi::get_path(std::string path) {
  co_await turn();
  Json document = discovery_document(registry_.catalog(), path);
  if (document.is_null()) co_return base::fail(to_error(no_such_resource()));
  co_return document;
}

}  // namespace serin::local
