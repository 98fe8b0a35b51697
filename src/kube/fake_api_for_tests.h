#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kube/api.h"

namespace serin::kube::testing {

/// An API of a few lines for tests: calls go to the functions a test sets, and are kept as text
/// ("create events/test body"). What is not set answers not_found.
class FakeApi final : public Api {
 public:
  using Answer = base::Result<Json>;

  struct FakeWatch {
    std::deque<base::Result<std::optional<WatchEvent>>> events;
    bool stays_open = false;  ///< after the last event: wait for ever instead of ending
  };

  explicit FakeApi(base::Clock& clock) : clock_(clock) {}

  std::function<Answer(const Resource&, const std::string& ns, const std::string& name)> on_get;
  std::function<Answer(const Resource&, const Json& object)> on_create, on_replace;
  std::function<Answer(const Resource&, const std::string& name, const Json& patch)> on_patch;
  std::deque<base::Result<List>> lists;         ///< used up in order; the last one stays
  std::deque<base::Result<FakeWatch>> watches;  ///< used up in order; then watches hang
  std::vector<std::string> calls;

  base::Task<Answer> get(Resource resource, std::string ns, std::string name) override {
    calls.push_back("get " + name);
    co_return on_get ? on_get(resource, ns, name) : missing();
  }
  base::Task<base::Result<List>> list(Resource, std::string, ListOptions options) override {
    calls.push_back("list" + (options.continue_token.empty() ? "" : " from " + options.continue_token));
    if (lists.empty()) co_return base::fail(missing().error());
    base::Result<List> answer = lists.front();
    if (lists.size() > 1) lists.pop_front();
    co_return answer;
  }
  base::Task<base::Result<std::unique_ptr<Watch>>> watch(Resource, std::string, std::string version,
                                                         ListOptions) override {
    calls.push_back("watch " + version);
    if (watches.empty()) co_return std::make_unique<Running>(clock_, FakeWatch{.stays_open = true});
    base::Result<FakeWatch> answer = std::move(watches.front());
    watches.pop_front();
    if (!answer) co_return base::fail(answer.error());
    co_return std::make_unique<Running>(clock_, std::move(*answer));
  }
  base::Task<Answer> create(Resource resource, std::string, Json object, WriteOptions) override {
    calls.push_back("create " + name_of(object));
    co_return on_create ? on_create(resource, object) : missing();
  }
  base::Task<Answer> replace(Resource resource, Json object, std::string, WriteOptions) override {
    calls.push_back("replace " + name_of(object));
    co_return on_replace ? on_replace(resource, object) : missing();
  }
  base::Task<Answer> patch(Resource resource, std::string, std::string name, PatchType, Json patch,
                           std::string, WriteOptions) override {
    calls.push_back("patch " + name);
    co_return on_patch ? on_patch(resource, name, patch) : missing();
  }
  base::Task<base::Result<void>> remove(Resource, std::string, std::string name, DeleteOptions) override {
    calls.push_back("remove " + name);
    co_return base::Result<void>{};
  }
  base::Task<Answer> get_path(std::string path) override {
    calls.push_back("get " + path);
    co_return on_get ? on_get({}, "", path) : missing();
  }

 private:
  class Running final : public Watch {
   public:
    Running(base::Clock& clock, FakeWatch script) : clock_(clock), script_(std::move(script)) {}
    base::Task<base::Result<std::optional<WatchEvent>>> next() override {
      if (script_.events.empty()) {
        if (script_.stays_open) co_await clock_.sleep_for(std::chrono::hours(1000));
        co_return std::nullopt;
      }
      auto event = std::move(script_.events.front());
      script_.events.pop_front();
      co_return event;
    }

   private:
    base::Clock& clock_;
    FakeWatch script_;
  };

  static Answer missing() { return base::fail(base::Errc::not_found, "not found"); }

  base::Clock& clock_;
};

}  // namespace serin::kube::testing
