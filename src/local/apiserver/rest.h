#pragma once

#include <map>
#include <string>

#include "local/apiserver/registry.h"
#include "local/apiserver/request_info.h"
#include "local/machinery/tables.h"

namespace serin::local {

/// What an answer of the API may look like besides its object.
struct Rendering {
  Form form;
  IncludeObject include = IncludeObject::metadata;
  bool pretty = false;

  /// From Accept, includeObject, pretty and the user agent (curl and browsers get it pretty). Errors: 406,
  /// 400.
  static StatusResult<Rendering> of(const http::Request& request, const RequestInfo& info);
};

/// The API's objects over HTTP, but for watches and streams: each request is answered at once.
class Rest {
 public:
  /// The references must outlive it.
  Rest(Registry& registry, base::Clock& clock) : registry_(registry), clock_(clock) {}

  [[nodiscard]] http::Response answer(const http::Request& request, const RequestInfo& info);
  /// One object, in the form asked for. `first`: a table gets its column definitions.
  [[nodiscard]] Json render(const Served& served, const ObjectPtr& object, const Rendering& rendering,
                            bool first = true) const;

 private:
  StatusResult<http::Response> dispatch(const http::Request& request, const RequestInfo& info,
                                        const Rendering& rendering);
  StatusResult<http::Response> get(const RequestInfo& info, const Rendering& rendering);
  StatusResult<http::Response> list(const RequestInfo& info, const Rendering& rendering);
  StatusResult<http::Response> create(const http::Request& request, const RequestInfo& info,
                                      const Rendering& rendering);
  StatusResult<http::Response> update(const http::Request& request, const RequestInfo& info,
                                      const Rendering& rendering);
  StatusResult<http::Response> patch(const http::Request& request, const RequestInfo& info,
                                     const Rendering& rendering);
  StatusResult<http::Response> remove(const http::Request& request, const RequestInfo& info,
                                      const Rendering& rendering);
  StatusResult<http::Response> remove_all(const http::Request& request, const RequestInfo& info,
                                          const Rendering& rendering);
  [[nodiscard]] StatusResult<std::shared_ptr<const Served>> served_by(const RequestInfo& info) const;
  [[nodiscard]] http::Response list_response(const Served& served, const Listed& listed,
                                             const Rendering& rendering) const;
  [[nodiscard]] http::Response written_response(const RequestInfo& info, const Written& written,
                                                const Rendering& rendering) const;

  Registry& registry_;
  base::Clock& clock_;
};

http::Response json_response(int status, const Json& body, bool pretty = false);
http::Response status_response(const StatusError& error);
ListFlags list_flags(const RequestInfo& info);
/// A request body as JSON data (JSON or YAML by Content-Type). Errors: 415, 400.
StatusResult<Json> read_body(const http::Request& request);

}  // namespace serin::local
