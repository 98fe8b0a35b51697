#include "local/apiserver/rest.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/yaml.h"
#include "local/apiserver/in_process_api.h"
#include "local/apiserver/protobuf.h"

namespace serin::local {
namespace {

using http::Request;
using http::Response;
using kube::PatchType;

constexpr std::size_t warnings_max = 50;

std::unexpected<StatusError> bad_request(std::string text) {
  return std::unexpected(StatusError::bad_request(std::move(text)));
}

StatusError unsupported_media_type(std::string_view accepted) {
  return {415,
          "UnsupportedMediaType",
          fmt::format("the body of the request was in an unknown format - accepted media types include: {}",
                      accepted),
          {}};
}

void add_warning(Response& response, std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  response.headers.add("Warning", fmt::format("299 - \"{}\"", quoted));
}

StatusResult<Json> parse_document(const std::string& body, bool yaml) {
  if (!yaml) {
    base::Result<Json> parsed = Json::parse(body);
    if (parsed) return std::move(*parsed);
    return bad_request(
        fmt::format("couldn't get version/kind; json parse error: {}", parsed.error().message));
  }
  base::Result<std::vector<Json>> documents = base::parse_yaml(body);
  if (!documents) return bad_request(fmt::format("error decoding YAML: {}", documents.error().message));
  if (documents->size() != 1) return bad_request("error decoding YAML: exactly one document is expected");
  return std::move(documents->front());
}

StatusResult<bool> dry_run(const std::string& value) {
  if (value.empty()) return false;
  if (value == "All") return true;
  const FieldErrors errors{FieldError::not_supported("dryRun", Json::array({Json(value)}), {"All"})};
  return std::unexpected(StatusError::invalid("meta.k8s.io", "WriteOptions", "", errors));
}

StatusResult<FieldValidation> field_validation(const std::string& value) {
  if (value.empty() || value == "Warn") return FieldValidation::warn;
  if (value == "Strict") return FieldValidation::strict;
  if (value == "Ignore") return FieldValidation::ignore;
  const FieldErrors errors{
      FieldError::not_supported("fieldValidation", Json(value), {"Ignore", "Strict", "Warn"})};
  return std::unexpected(StatusError::invalid("meta.k8s.io", "WriteOptions", "", errors));
}

StatusResult<WriteFlags> write_flags(const Request& request, const RequestInfo& info) {
  WriteFlags flags;
  flags.manager = info.query("fieldManager");
  if (flags.manager.empty()) {
    const std::string_view agent = request.headers.get("User-Agent");
    flags.manager = std::string(agent.substr(0, agent.find('/')));
  }
  if (flags.manager.empty()) flags.manager = "unknown";
  const StatusResult<bool> dry = dry_run(info.query("dryRun"));
  if (!dry) return std::unexpected(dry.error());
  flags.dry_run = *dry;
  const StatusResult<FieldValidation> validation = field_validation(info.query("fieldValidation"));
  if (!validation) return std::unexpected(validation.error());
  flags.validation = *validation;
  flags.force = info.flag("force");
  return flags;
}

/// Members that the text gives twice are seen only there, not in the parsed tree.
StatusResult<std::vector<std::string>> check_duplicates(const Request& request, const RequestInfo& info,
                                                        FieldValidation validation) {
  std::vector<std::string> warnings;
  const std::string type = media_type(request.headers.get("Content-Type"));
  if (validation == FieldValidation::ignore || type != "application/json") return warnings;
  std::string joined;
  for (const std::string& field : duplicate_fields(request.body)) {
    if (warnings.size() == warnings_max) break;
    warnings.push_back(fmt::format("duplicate field \"{}\"", field));
    joined += (joined.empty() ? "" : ", ") + warnings.back();
  }
  if (validation == FieldValidation::strict && !warnings.empty()) {
    return bad_request(fmt::format("{} in version \"{}\" cannot be handled: strict decoding error: {}",
                                   info.resource.plural, info.resource.version, joined));
  }
  return warnings;
}

std::optional<std::int64_t> integer(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

StatusResult<RemoveFlags> remove_flags(const Request& request, const RequestInfo& info) {
  RemoveFlags flags;
  Json options;
  if (!request.body.empty()) {
    StatusResult<Json> body = read_body(request);
    if (!body) return std::unexpected(body.error());
    options = std::move(*body);
  }
  std::string dry = info.query("dryRun");
  if (!options["dryRun"].empty()) dry = options["dryRun"].at(0).str();
  const StatusResult<bool> is_dry = dry_run(dry);
  if (!is_dry) return std::unexpected(is_dry.error());
  flags.dry_run = *is_dry;
  std::optional<std::int64_t> grace = options["gracePeriodSeconds"].as_int();
  if (!grace) grace = integer(info.query("gracePeriodSeconds"));
  if (grace) flags.options.grace_seconds = static_cast<int>(*grace);
  flags.options.propagation = options["propagationPolicy"].str();
  if (flags.options.propagation.empty()) flags.options.propagation = info.query("propagationPolicy");
  const std::string orphan = info.query("orphanDependents");
  const std::optional<bool> orphans =
      orphan.empty() ? options["orphanDependents"].as_bool() : std::optional<bool>(orphan == "true");
  if (orphans && flags.options.propagation.empty())
    flags.options.propagation = *orphans ? "Orphan" : "Background";
  flags.options.uid = options.get("preconditions", "uid").str();
  flags.options.resource_version = options.get("preconditions", "resourceVersion").str();
  return flags;
}

std::optional<PatchType> patch_type(const std::string& type) {
  if (type == "application/json-patch+json") return PatchType::json;
  if (type == "application/merge-patch+json") return PatchType::merge;
  if (type == "application/strategic-merge-patch+json") return PatchType::strategic;
  if (type == "application/apply-patch+yaml") return PatchType::apply;
  return std::nullopt;
}

}  // namespace

Response json_response(int status, const Json& body, bool pretty) {
  Response response{.status = status};
  response.headers.set("Content-Type", "application/json");
  response.headers.set("Cache-Control", "no-cache, private");
  response.body = (pretty ? body.dump_pretty(2) : body.dump()) + "\n";
  return response;
}

Response status_response(const StatusError& error) {
  Response response = json_response(error.code, error.to_json());
  const auto retry = error.details["retryAfterSeconds"].as_int();
  if (retry) response.headers.set("Retry-After", std::to_string(*retry));
  return response;
}

ListFlags list_flags(const RequestInfo& info) {
  ListFlags flags{info.query("labelSelector"), info.query("fieldSelector"), info.query("resourceVersion"),
                  info.query("continue")};
  flags.limit = static_cast<int>(integer(info.query("limit")).value_or(0));
  return flags;
}

StatusResult<Json> read_body(const Request& request) {
  const std::string type = media_type(request.headers.get("Content-Type"));
  const bool yaml = type == "application/yaml";
  if (type == "application/vnd.kubernetes.protobuf") return decode_protobuf(request.body);
  if (!yaml && !type.empty() && type != "application/json") {
    return std::unexpected(
        unsupported_media_type("application/json, application/yaml, application/vnd.kubernetes.protobuf"));
  }
  return parse_document(request.body, yaml);
}

StatusResult<Rendering> Rendering::of(const Request& request, const RequestInfo& info) {
  const std::optional<Form> form = negotiate(request.headers.get("Accept"));
  if (!form) {
    return std::unexpected(StatusError{406,
                                       "NotAcceptable",
                                       "only the following media types are accepted: application/json, "
                                       "application/yaml, application/vnd.kubernetes.protobuf",
                                       {}});
  }
  Rendering rendering{.form = *form};
  const std::string include = info.query("includeObject");
  if (include == "None") {
    rendering.include = IncludeObject::none;
  } else if (include == "Object") {
    rendering.include = IncludeObject::object;
  } else if (!include.empty() && include != "Metadata") {
    return bad_request(fmt::format("unrecognized includeObject value: \"{}\"", include));
  }
  const std::string_view agent = request.headers.get("User-Agent");
  const bool person =
      agent.starts_with("curl/") || agent.starts_with("Wget/") || agent.starts_with("Mozilla/5.0");
  const std::string pretty = info.query("pretty");
  rendering.pretty = pretty.empty() ? person : info.flag("pretty");
  return rendering;
}

Response Rest::answer(const Request& request, const RequestInfo& info) {
  StatusResult<Rendering> rendering = Rendering::of(request, info);
  if (!rendering) return status_response(rendering.error());
  StatusResult<Response> response = dispatch(request, info, *rendering);
  return response ? std::move(*response) : status_response(response.error());
}

StatusResult<Response> Rest::dispatch(const Request& request, const RequestInfo& info,
                                      const Rendering& rendering) {
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  if (!served) return std::unexpected(served.error());
  if (info.verb == "get") return get(info, rendering);
  if (info.verb == "list") return list(info, rendering);
  if (info.verb == "create") return create(request, info, rendering);
  const bool named = !info.name.empty();
  if (info.verb == "update" && named) return update(request, info, rendering);
  if (info.verb == "patch" && named) return patch(request, info, rendering);
  if (info.verb == "delete" && info.subresource.empty()) return remove(request, info, rendering);
  if (info.verb == "deletecollection") return remove_all(request, info, rendering);
  return std::unexpected(StatusError{405, "MethodNotAllowed",
                                     "the server does not allow this method on the requested resource",
                                     Json::object()});
}

StatusResult<std::shared_ptr<const Served>> Rest::served_by(const RequestInfo& info) const {
  std::shared_ptr<const Served> served =
      registry_.catalog().find(info.resource.group, info.resource.version, info.resource.plural);
  if (served == nullptr || (!served->resource.namespaced && !info.ns.empty())) {
    return std::unexpected(no_such_resource());
  }
  return served;
}

Json Rest::render(const Served& served, const ObjectPtr& object, const Rendering& rendering,
                  bool first) const {
  if (rendering.form.kind == Form::Kind::plain) return *object;
  if (rendering.form.kind == Form::Kind::partial) return partial_metadata(*object);
  const Json metadata = Json::object({{"resourceVersion", kube::resource_version_of(*object)}});
  const base::WallTime now = clock_.wall_now();
  Json table = served.builtin != nullptr ? print_builtin(*served.builtin, {*object}, metadata, now,
                                                         rendering.include, rendering.form.version)
                                         : print_custom(served.custom->printer_columns, {*object}, metadata,
                                                        now, rendering.include, rendering.form.version);
  if (!first) table.set("columnDefinitions") = Json();
  return table;
}

StatusResult<Response> Rest::get(const RequestInfo& info, const Rendering& rendering) {
  StatusResult<ObjectPtr> object = registry_.get(info.resource, {info.ns, info.name}, info.subresource);
  if (!object) return std::unexpected(object.error());
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  const bool scale = info.subresource == "scale";
  return json_response(200, scale ? **object : render(**served, *object, rendering), rendering.pretty);
}

Response Rest::list_response(const Served& served, const Listed& listed, const Rendering& rendering) const {
  Json metadata = Json::object({{"resourceVersion", std::to_string(listed.revision)}});
  if (!listed.continue_token.empty()) metadata.set("continue") = listed.continue_token;
  if (listed.remaining) metadata.set("remainingItemCount") = *listed.remaining;
  if (rendering.form.kind == Form::Kind::table) {
    std::vector<Json> objects;
    for (const ObjectPtr& object : listed.items) objects.push_back(*object);
    const base::WallTime now = clock_.wall_now();
    const Json table = served.builtin != nullptr
                           ? print_builtin(*served.builtin, objects, metadata, now, rendering.include,
                                           rendering.form.version)
                           : print_custom(served.custom->printer_columns, objects, metadata, now,
                                          rendering.include, rendering.form.version);
    return json_response(200, table, rendering.pretty);
  }
  const bool partial = rendering.form.kind == Form::Kind::partial;
  const std::string api_version =
      partial ? "meta.k8s.io/" + rendering.form.version : served.resource.api_version();
  Response response =
      json_response(200, Json::object({{"kind", partial ? "PartialObjectMetadataList" : served.list_kind},
                                       {"apiVersion", api_version},
                                       {"metadata", std::move(metadata)}}));
  // The items are written as text one by one: a list of thousands is never copied as a tree.
  std::string& body = response.body;
  body.resize(body.rfind('}'));
  body += ",\"items\":[";
  const char* separator = "";
  for (const ObjectPtr& object : listed.items) {
    body += separator;
    body += partial ? partial_metadata(*object).dump() : object->dump();
    separator = ",";
  }
  body += "]}\n";
  if (rendering.pretty) body = Json::parse(body).value_or(Json()).dump_pretty(2) + "\n";
  return response;
}

StatusResult<Response> Rest::list(const RequestInfo& info, const Rendering& rendering) {
  StatusResult<Listed> listed = registry_.list(info.resource, info.ns, list_flags(info));
  if (!listed) return std::unexpected(listed.error());
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  return list_response(**served, *listed, rendering);
}

Response Rest::written_response(const RequestInfo& info, const Written& written,
                                const Rendering& rendering) const {
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  // Withdrawing a CRD's last finalizer ends its service with this very write.
  const bool plain = !served || info.subresource == "scale";
  Response response =
      json_response(written.created ? 201 : 200,
                    plain ? *written.object : render(**served, written.object, rendering), rendering.pretty);
  for (const std::string& warning : written.warnings) add_warning(response, warning);
  return response;
}

StatusResult<Response> Rest::create(const Request& request, const RequestInfo& info,
                                    const Rendering& rendering) {
  const StatusResult<WriteFlags> flags = write_flags(request, info);
  if (!flags) return std::unexpected(flags.error());
  StatusResult<Json> body = read_body(request);
  if (!body) return std::unexpected(body.error());
  if (!info.name.empty()) {
    if (info.subresource.empty()) {
      return std::unexpected(StatusError{405, "MethodNotAllowed",
                                         "the server does not allow this method on the requested resource",
                                         Json::object()});
    }
    StatusResult<Json> done =
        registry_.create_in(info.resource, {info.ns, info.name}, info.subresource, *body, *flags);
    if (!done) return std::unexpected(done.error());
    return json_response(201, *done, rendering.pretty);
  }
  StatusResult<std::vector<std::string>> duplicates = check_duplicates(request, info, flags->validation);
  if (!duplicates) return std::unexpected(duplicates.error());
  StatusResult<Written> written = registry_.create(info.resource, info.ns, std::move(*body), *flags);
  if (!written) return std::unexpected(written.error());
  for (std::string& warning : *duplicates) written->warnings.push_back(std::move(warning));
  return written_response(info, *written, rendering);
}

StatusResult<Response> Rest::update(const Request& request, const RequestInfo& info,
                                    const Rendering& rendering) {
  const StatusResult<WriteFlags> flags = write_flags(request, info);
  if (!flags) return std::unexpected(flags.error());
  StatusResult<Json> body = read_body(request);
  if (!body) return std::unexpected(body.error());
  StatusResult<std::vector<std::string>> duplicates = check_duplicates(request, info, flags->validation);
  if (!duplicates) return std::unexpected(duplicates.error());
  StatusResult<Written> written =
      registry_.replace(info.resource, {info.ns, info.name}, info.subresource, std::move(*body), *flags);
  if (!written) return std::unexpected(written.error());
  for (std::string& warning : *duplicates) written->warnings.push_back(std::move(warning));
  return written_response(info, *written, rendering);
}

StatusResult<Response> Rest::patch(const Request& request, const RequestInfo& info,
                                   const Rendering& rendering) {
  const StatusResult<WriteFlags> flags = write_flags(request, info);
  if (!flags) return std::unexpected(flags.error());
  const std::string content_type = media_type(request.headers.get("Content-Type"));
  const std::optional<PatchType> type = patch_type(content_type);
  if (!type) {
    return std::unexpected(
        unsupported_media_type("application/json-patch+json, application/merge-patch+json, "
                               "application/strategic-merge-patch+json, application/apply-patch+yaml"));
  }
  if (*type == PatchType::apply && info.query("fieldManager").empty()) {
    const FieldErrors errors{FieldError::required("fieldManager", "is required for apply patch")};
    return std::unexpected(StatusError::invalid("meta.k8s.io", "PatchOptions", "", errors));
  }
  StatusResult<Json> body = parse_document(request.body, *type == PatchType::apply);
  if (!body) return std::unexpected(body.error());
  StatusResult<Written> written =
      registry_.patch(info.resource, {info.ns, info.name}, info.subresource, *type, *body, *flags);
  if (!written) return std::unexpected(written.error());
  return written_response(info, *written, rendering);
}

StatusResult<Response> Rest::remove(const Request& request, const RequestInfo& info,
                                    const Rendering& rendering) {
  const StatusResult<RemoveFlags> flags = remove_flags(request, info);
  if (!flags) return std::unexpected(flags.error());
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  StatusResult<Removed> removed = registry_.remove(info.resource, {info.ns, info.name}, *flags);
  if (!removed) return std::unexpected(removed.error());
  return json_response(200, removed->gone ? success_status(**served, *removed->object) : *removed->object,
                       rendering.pretty);
}

StatusResult<Response> Rest::remove_all(const Request& request, const RequestInfo& info,
                                        const Rendering& rendering) {
  const StatusResult<RemoveFlags> flags = remove_flags(request, info);
  if (!flags) return std::unexpected(flags.error());
  const StatusResult<std::shared_ptr<const Served>> served = served_by(info);
  StatusResult<Listed> listed = registry_.remove_all(info.resource, info.ns, list_flags(info), *flags);
  if (!listed) return std::unexpected(listed.error());
  return list_response(**served, *listed, rendering);
}

}  // namespace serin::local
