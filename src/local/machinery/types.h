#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local/machinery/status.h"

namespace serin::local {

/// The shape of a value of the API: what strict decoding, pruning, strategic merge and server-side apply need
/// to know. Built-in kinds have a table of them (builtin.h); a CRD's are made from its schema (schema.h).
struct Type {
  enum class Kind {
    any,  ///< anything, unknown members are kept
    boolean,
    integer,  ///< go_name tells int32 from int64
    number,
    string,
    quantity,  ///< string or number, a Kubernetes quantity
    int_or_string,
    time,    ///< metav1.Time or MicroTime
    bytes,   ///< base64
    object,  ///< exactly these fields
    map,     ///< string keys, values of `element`
    array,
  };
  /// How server-side apply merges an array (or map / object): whole, by value, or by keys.
  enum class ListKind { atomic, set, map };

  struct Field {
    std::string name;
    const Type* type = nullptr;
    bool required = false;
    /// Strategic merge: "", "merge", "replace", "retainKeys", "merge,retainKeys"
    std::string patch_strategy;
    std::string patch_merge_key;  ///< "" for lists of primitives
  };

  Kind kind = Kind::any;
  std::string go_name;  ///< "DeploymentSpec", "int32": as decoding errors name it
  std::vector<Field> fields;
  const Type* element = nullptr;
  ListKind list = ListKind::atomic;  ///< arrays
  bool atomic = false;               ///< maps and objects that apply replaces as a whole
  std::vector<std::string> list_keys;
  std::vector<Json> list_key_defaults;  ///< as many as keys; null where there is none ("protocol": TCP)
  bool keep_unknown = false;            ///< objects: unknown members are kept (preserve-unknown-fields)

  [[nodiscard]] const Field* field(std::string_view name) const;
};

/// Owns types that point to one another.
class TypeArena {
 public:
  Type& make(Type::Kind kind, std::string go_name = {});

 private:
  std::deque<Type> types_;
};

/// Members of `object` that its type doesn't know, as paths ("spec.match[0].method"), in document order.
std::vector<std::string> unknown_fields(const Json& object, const Type& type);
/// Removes unknown members.
void prune(Json& object, const Type& type);
/// The first value of a wrong type, in the API server's words (`json: cannot unmarshal string into Go struct
/// field DeploymentSpec.spec.replicas of type int32`); empty if all fit. Null fits everything.
std::string type_mismatch(const Json& object, const Type& type);
/// Members that a JSON text gives twice, as paths ("spec.replicas"); the last one won.
std::vector<std::string> duplicate_fields(std::string_view json_text);
/// Removes members that are null, as decoding into the API's types does.
void drop_nulls(Json& object, const Type& type);

/// How unknown and duplicate fields are treated: the query parameter fieldValidation.
enum class FieldValidation { ignore, warn, strict };

struct Decoded {
  Json object;
  std::vector<std::string> warnings;  ///< with FieldValidation::warn: `unknown field "spec.x"`
};

/// Reads the body of a write as `kind` in `api_version`: types are checked, unknown members reported and
/// removed, nulls dropped. Errors are BadRequest with the API server's texts (`Deployment in version "v1"
/// cannot be handled as a Deployment: ...`).
StatusResult<Decoded> decode(std::string_view json_text, const Type& type, std::string_view version,
                             std::string_view kind, FieldValidation validation);
/// The same for an object at hand (the result of a patch, YAML): duplicates can't be seen any more.
StatusResult<Decoded> decode_object(Json object, const Type& type, std::string_view version,
                                    std::string_view kind, FieldValidation validation);

}  // namespace serin::local
