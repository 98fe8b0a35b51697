#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace serin::local {

/// An object as it is kept and handed out: never changed, only replaced.
using ObjectPtr = std::shared_ptr<const base::Json>;

/// Where an object is kept. `ns` is empty for cluster-scoped ones.
struct StoreKey {
  std::string group, plural, ns, name;
  auto operator<=>(const StoreKey&) const = default;
};

struct StoredObject {
  StoreKey key;
  ObjectPtr object;
};

struct StoreContents {
  std::uint64_t revision = 0;  ///< of the last write; 0: nothing was ever written
  std::vector<StoredObject> objects;
};

/// Keeps objects and one revision that counts all writes. Each write is atomic and durable (as far as the
/// implementation is) when it returns; revisions only grow. The Registry reads everything once and then only
/// writes.
class Store {
 public:
  virtual ~Store() = default;
  virtual base::Result<StoreContents> load() = 0;
  virtual base::Result<void> put(const StoreKey& key, const ObjectPtr& object, std::uint64_t revision) = 0;
  virtual base::Result<void> remove(const StoreKey& key, std::uint64_t revision) = 0;
};

/// Keeps objects as long as it lives: simulations (where it outlives the Registry that "crashes") and tests.
class MemoryStore final : public Store {
 public:
  base::Result<StoreContents> load() override;
  base::Result<void> put(const StoreKey& key, const ObjectPtr& object, std::uint64_t revision) override;
  base::Result<void> remove(const StoreKey& key, std::uint64_t revision) override;

 private:
  std::map<StoreKey, ObjectPtr> objects_;
  std::uint64_t revision_ = 0;
};

/// Opens or makes a SQLite database (write-ahead log, synchronous NORMAL: a killed process loses nothing, a
/// power failure at most the last writes, never the file). Errors name the file: unreadable, damaged, made by
/// another program, made by a newer version, or in use by another process.
base::Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path);

}  // namespace serin::local
