#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "local/apiserver/store.h"

namespace serin::local {
namespace {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

/// Marks a database as ours ("srin"), so that another program's file is never written to.
constexpr int application_id = 0x7372696e;
constexpr int schema_version = 1;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string path, Database database) : path_(std::move(path)), database_(std::move(database)) {}

  Result<void> prepare_file();
  Result<StoreContents> load() override;
  Result<void> put(const StoreKey& key, const ObjectPtr& object, std::uint64_t revision) override;
  Result<void> remove(const StoreKey& key, std::uint64_t revision) override;

 private:
  std::unexpected<base::Error> failure(std::string_view what) const;
  Result<void> run(const char* sql);
  Result<std::int64_t> number(const char* sql);
  Result<Statement> prepare(const char* sql);
  /// Executes a statement without rows; `statement` can be used again afterwards.
  Result<void> step(sqlite3_stmt* statement);
  Result<void> in_transaction(sqlite3_stmt* change, std::uint64_t revision);

  std::string path_;
  Database database_;
  Statement put_, remove_, revision_, begin_, commit_;
};

std::unexpected<base::Error> SqliteStore::failure(std::string_view what) const {
  const int code = sqlite3_errcode(database_.get());
  std::string why = sqlite3_errmsg(database_.get());
  if (code == SQLITE_NOTADB) why = "it is no SQLite database; move it away or name another data directory";
  if (code == SQLITE_CORRUPT)
    why = fmt::format("it is damaged ({}); restore it from a copy or move it away", why);
  if (code == SQLITE_BUSY) why = "another process uses it; stop that one first";
  return fail(code == SQLITE_BUSY ? Errc::unavailable : Errc::internal,
              fmt::format("{} {}: {}", what, path_, why));
}

Result<void> SqliteStore::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return failure("opening the store");
}

Result<Statement> SqliteStore::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) {
    return failure("opening the store");
  }
  return Statement(statement);
}

Result<std::int64_t> SqliteStore::number(const char* sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return fail(statement.error());
  const int code = sqlite3_step(statement->get());
  if (code == SQLITE_DONE) return 0;
  if (code != SQLITE_ROW) return failure("reading the store");
  return sqlite3_column_int64(statement->get(), 0);
}

Result<void> SqliteStore::prepare_file() {
  sqlite3_busy_timeout(database_.get(), 0);
  const Result<std::int64_t> pages = number("PRAGMA page_count");
  if (!pages) return fail(pages.error());
  const Result<std::int64_t> id = number("PRAGMA application_id");
  if (!id) return fail(id.error());
  if (*pages > 0 && *id != application_id) {
    return fail(Errc::invalid,
                fmt::format("opening the store {}: it belongs to another program; move it away or name "
                            "another data directory",
                            path_));
  }
  const Result<std::int64_t> version = number("PRAGMA user_version");
  if (!version) return fail(version.error());
  if (*version > schema_version) {
    return fail(Errc::invalid, fmt::format("opening the store {}: it was made by a newer version (format {}, "
                                           "this program knows {})",
                                           path_, *version, schema_version));
  }
  // EXCLUSIVE keeps a second server off the file, and makes the log's shared-memory file unnecessary.
  Result<void> done = run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
      "PRAGMA application_id=0x7372696e; PRAGMA user_version=1;"
      "CREATE TABLE IF NOT EXISTS objects (grp TEXT NOT NULL, plural TEXT NOT NULL, ns TEXT NOT NULL,"
      " name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (grp, plural, ns, name)) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);"
      "INSERT OR IGNORE INTO revision VALUES (1, 0);");
  const std::pair<Statement*, const char*> statements[] = {
      {&put_, "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5)"},
      {&remove_, "DELETE FROM objects WHERE grp = ?1 AND plural = ?2 AND ns = ?3 AND name = ?4"},
      {&revision_, "UPDATE revision SET value = ?1"},
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"}};
  for (const auto& [into, sql] : statements) {
    if (!done) return done;
    Result<Statement> statement = prepare(sql);
    if (!statement) return fail(statement.error());
    *into = std::move(*statement);
  }
  return {};
}

std::string column_text(sqlite3_stmt* statement, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
}

Result<StoreContents> SqliteStore::load() {
  StoreContents contents;
  const Result<std::int64_t> revision = number("SELECT value FROM revision");
  if (!revision) return fail(revision.error());
  contents.revision = static_cast<std::uint64_t>(*revision);
  Result<Statement> rows =
      prepare("SELECT grp, plural, ns, name, body FROM objects ORDER BY grp, plural, ns, name");
  if (!rows) return fail(rows.error());
  int code = 0;
  while ((code = sqlite3_step(rows->get())) == SQLITE_ROW) {
    StoreKey key{column_text(rows->get(), 0), column_text(rows->get(), 1), column_text(rows->get(), 2),
                 column_text(rows->get(), 3)};
    Result<Json> object = Json::parse(column_text(rows->get(), 4));
    if (!object) {
      return fail(Errc::internal, fmt::format("reading the store {}: {} {}/{}: {}", path_, key.plural, key.ns,
                                              key.name, object.error().message));
    }
    contents.objects.push_back({std::move(key), std::make_shared<const Json>(std::move(*object))});
  }
  if (code != SQLITE_DONE) return failure("reading the store");
  return contents;
}

Result<void> SqliteStore::step(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement);
    return {};
  }
  auto error = failure("writing the store");
  sqlite3_reset(statement);
  return error;
}

void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

void bind_key(sqlite3_stmt* statement, const StoreKey& key) {
  bind_text(statement, 1, key.group);
  bind_text(statement, 2, key.plural);
  bind_text(statement, 3, key.ns);
  bind_text(statement, 4, key.name);
}

Result<void> SqliteStore::in_transaction(sqlite3_stmt* change, std::uint64_t revision) {
  sqlite3_bind_int64(revision_.get(), 1, static_cast<sqlite3_int64>(revision));
  Result<void> done;
  for (sqlite3_stmt* statement : {begin_.get(), change, revision_.get(), commit_.get()}) {
    done = step(statement);
    if (!done) break;
  }
  // A full disk may have ended the transaction already; then this does nothing.
  if (!done) sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Result<void> SqliteStore::put(const StoreKey& key, const ObjectPtr& object, std::uint64_t revision) {
  bind_key(put_.get(), key);
  bind_text(put_.get(), 5, object->dump());
  return in_transaction(put_.get(), revision);
}

Result<void> SqliteStore::remove(const StoreKey& key, std::uint64_t revision) {
  bind_key(remove_.get(), key);
  return in_transaction(remove_.get(), revision);
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    return fail(Errc::unavailable, fmt::format("opening the store {}: {}", path,
                                               raw == nullptr ? "out of memory" : sqlite3_errmsg(raw)));
  }
  auto store = std::make_unique<SqliteStore>(path, std::move(database));
  Result<void> prepared = store->prepare_file();
  if (!prepared) return fail(prepared.error());
  return store;
}

}  // namespace serin::local
