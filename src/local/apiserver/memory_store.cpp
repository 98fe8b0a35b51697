#include "local/apiserver/store.h"

namespace serin::local {

base::Result<StoreContents> MemoryStore::load() {
  StoreContents contents{.revision = revision_};
  contents.objects.reserve(objects_.size());
  for (const auto& [key, object] : objects_) contents.objects.push_back({key, object});
  return contents;
}

base::Result<void> MemoryStore::put(const StoreKey& key, const ObjectPtr& object, std::uint64_t revision) {
  objects_[key] = object;
  revision_ = revision;
  return {};
}

base::Result<void> MemoryStore::remove(const StoreKey& key, std::uint64_t revision) {
  objects_.erase(key);
  revision_ = revision;
  return {};
}

}  // namespace serin::local
