#include "local/machinery/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "local/machinery/columns.h"

namespace serin::local {

namespace {

Json partial_metadata(const Json& object, std::string_view version) {
  return Json::object({{"kind", "PartialObjectMetadata"},
                       {"apiVersion", fmt::format("meta.k8s.io/{}", version)},
                       {"metadata", object["metadata"]}});
}

Json column_definition(const Column& column) {
  return Json::object({{"name", column.name},
                       {"type", column.type},
                       {"format", column.format},
                       {"description", column.description},
                       {"priority", column.priority}});
}

Json table_of(const std::vector<Column>& columns, const Json& list_metadata, std::string_view version) {
  Json definitions = Json::array();
  for (const Column& column : columns) definitions.push_back(column_definition(column));
  return Json::object({{"kind", "Table"},
                       {"apiVersion", fmt::format("meta.k8s.io/{}", version)},
                       {"metadata", list_metadata.is_object() ? list_metadata : Json::object()},
                       {"columnDefinitions", std::move(definitions)},
                       {"rows", Json::array()}});
}

Json row_of(Json::Array cells, const Json& object, IncludeObject include, std::string_view version) {
  Json row = Json::object({{"cells", Json(std::move(cells))}});
  if (include == IncludeObject::metadata) row.set("object") = partial_metadata(object, version);
  if (include == IncludeObject::object) row.set("object") = object;
  return row;
}

/// Finished pods say so, for clients that hide them.
void add_conditions(Json& row, const Json& object, std::string_view kind) {
  const std::string& phase = object.get("status", "phase").str();
  if (kind != "Pod" || (phase != "Succeeded" && phase != "Failed")) return;
  row.set("conditions") = Json::array({Json::object(
      {{"type", "Completed"},
       {"status", "True"},
       {"reason", phase},
       {"message", phase == "Failed" ? "The pod failed." : "The pod has completed successfully."}})});
}

Json custom_cell(const Json& object, std::string_view path, std::string_view type, base::WallTime now) {
  const std::vector<Json> found = json_path(object, path);
  if (found.empty() || found.front().is_null()) return {};
  const Json& value = found.front();
  if (type == "string") {
    if (found.size() > 1) {
      std::string joined;
      for (const Json& part : found)
        joined += (joined.empty() ? "" : " ") + (part.is_string() ? part.str() : part.dump());
      return joined;
    }
    return value.is_string() ? value : Json(value.dump());
  }
  if (type == "date") {
    if (!value.is_string()) return "<unknown>";
    const auto time = base::parse_rfc3339(value.str());
    return time ? Json(human_duration(now - *time)) : Json("<invalid>");
  }
  if (type == "integer") {
    const auto number = value.as_int();
    if (number) return *number;
    const auto real = value.as_double();
    return real ? Json(static_cast<std::int64_t>(*real)) : Json();
  }
  if (type == "number") return value.is_number() ? value : Json();
  if (type == "boolean") return value.is_bool() ? value : Json();
  return {};
}

}  // namespace

std::string human_duration(base::Duration duration) {
  using std::chrono::duration_cast;
  const auto seconds = duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  const auto minutes = seconds / 60;
  const auto with_rest = [](std::int64_t whole, char unit, std::int64_t rest, char rest_unit) {
    return rest == 0 ? fmt::format("{}{}", whole, unit)
                     : fmt::format("{}{}{}{}", whole, unit, rest, rest_unit);
  };
  if (minutes < 10) return with_rest(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  const auto hours = minutes / 60;
  if (hours < 8) return with_rest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  const auto days = hours / 24;
  if (days < 8) return with_rest(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return fmt::format("{}d", days);
  if (days < 365 * 8) return with_rest(days / 365, 'y', days % 365, 'd');
  return fmt::format("{}y", days / 365);
}

std::string age_since(const Json& time, base::WallTime now) {
  const auto parsed = base::parse_rfc3339(time.str());
  return time.is_string() && parsed ? human_duration(now - *parsed) : "<unknown>";
}

Json print_builtin(const BuiltinResource& resource, const std::vector<Json>& objects,
                   const Json& list_metadata, base::WallTime now, IncludeObject include,
                   std::string_view version) {
  Json table = table_of(builtin_columns(resource.kind), list_metadata, version);
  for (const Json& object : objects) {
    Json row = row_of(builtin_cells(object, resource.kind, now), object, include, version);
    add_conditions(row, object, resource.kind);
    table.set("rows").push_back(std::move(row));
  }
  return table;
}

Json print_custom(const Json& additional_printer_columns, const std::vector<Json>& objects,
                  const Json& list_metadata, base::WallTime now, IncludeObject include,
                  std::string_view version) {
  std::vector<Column> columns{{"Name", "string", 0, "name"}};
  Json printed = additional_printer_columns;
  if (printed.empty()) {
    printed = Json::array(
        {Json::object({{"name", "Age"}, {"type", "date"}, {"jsonPath", ".metadata.creationTimestamp"}})});
  }
  for (const Json& column : printed.items()) {
    columns.push_back(
        {column["name"].str(), column["type"].str(), static_cast<int>(column["priority"].int_or(0)),
         column["format"].str(),
         column["description"].str_or(fmt::format(
             "Custom resource definition column (in JSONPath format): {}", column["jsonPath"].str()))});
  }
  Json table = table_of(columns, list_metadata, version);
  for (const Json& object : objects) {
    Json::Array cells{object.get("metadata", "name")};
    for (const Json& column : printed.items()) {
      cells.push_back(custom_cell(object, column["jsonPath"].str(), column["type"].str(), now));
    }
    table.set("rows").push_back(row_of(std::move(cells), object, include, version));
  }
  return table;
}

}  // namespace serin::local
