#include "local/apiserver/front.h"

#include <utility>

namespace serin::local {

using base::Task;
using http::Request;
using http::Responder;

namespace {

constexpr std::size_t counts_max = 10'000;
constexpr base::Duration events_kept = std::chrono::hours(1);

StatusError unauthorized() {
  return {401, "Unauthorized", "Unauthorized", {}};
}

/// Compares without telling by its duration how much was right.
bool same_secret(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference |= static_cast<unsigned char>(left[i]) ^ static_cast<unsigned char>(right[i]);
  }
  return difference == 0;
}

/// The common name in an RFC 2253 subject ("CN=admin,O=system:masters").
std::string common_name(const std::string& subject) {
  const std::size_t start = subject.find("CN=");
  if (start == std::string::npos) return subject;
  return subject.substr(start + 3, subject.find(',', start) - start - 3);
}

}  // namespace

Front::Front(base::Executor executor, Registry& registry, base::Clock& clock, base::Random& random,
             FrontOptions options)
    : executor_(std::move(executor)),
      registry_(registry),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      rest_(registry, clock),
      documents_(registry) {}

http::Handler Front::handler() {
  return [this](Request request, Responder& responder) { return handle(std::move(request), responder); };
}

std::optional<std::string> Front::authenticate(const Request& request, const http::Peer& peer) const {
  if (!peer.certificate_subject.empty()) return common_name(peer.certificate_subject);
  constexpr std::string_view scheme = "Bearer ";
  const std::string_view given = request.headers.get("Authorization");
  if (!given.starts_with(scheme)) return std::nullopt;
  bool known = false;
  for (const std::string& token : options_.tokens) known |= same_secret(given.substr(scheme.size()), token);
  return known ? std::optional<std::string>("admin") : std::nullopt;
}

void Front::count(const Request& request, const RequestInfo& info) {
  const std::string_view agent = request.headers.get("User-Agent");
  std::string what = info.is_resource ? info.resource.group_resource() : info.target.path;
  if (!info.subresource.empty()) what += "/" + info.subresource;
  std::tuple key{std::string(agent.substr(0, agent.find(' '))), info.verb, std::move(what)};
  const auto known = counts_.find(key);
  if (known != counts_.end()) {
    ++known->second;
  } else if (counts_.size() < counts_max) {
    counts_.emplace(std::move(key), 1);
  }
}

std::vector<RequestCount> Front::request_counts() const {
  std::vector<RequestCount> result;
  for (const auto& [key, count] : counts_) {
    result.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), count});
  }
  return result;
}

Task<void> Front::handle(Request request, Responder& responder) {
  RequestInfo info = RequestInfo::parse(request);
  const std::optional<std::string> user = authenticate(request, responder.peer());
  http::Response response;
  if (!user && !Documents::is_public(info.target.path)) {
    response = status_response(unauthorized());
  } else {
    count(request, info);
    std::optional<http::Response> document =
        documents_.answer(request, info, user.value_or("system:anonymous"));
    if (document) {
      response = std::move(*document);
    } else if (!info.is_resource) {
      response = status_response(no_such_resource());
    } else if (info.verb == "watch") {
      co_await watch(std::move(request), std::move(info), responder);
      co_return;
    } else if (info.resource == kube::Resource{"", "v1", "pods", ""} && info.subresource == "log" &&
               info.verb == "get") {
      co_await logs(std::move(info), responder);
      co_return;
    } else if (info.resource == kube::Resource{"", "v1", "pods", ""} &&
               (info.subresource == "exec" || info.subresource == "attach" ||
                info.subresource == "portforward")) {
      co_await stream(std::move(request), std::move(info), responder);
      co_return;
    } else {
      response = rest_.answer(request, info);
    }
  }
  // Nobody is left to tell when this fails.
  (void)co_await responder.send(std::move(response));
}

Task<void> Front::tend() {
  for (;;) {
    co_await clock_.sleep_for(std::chrono::minutes(1));
    registry_.forget_events(events_kept);
  }
}

}  // namespace serin::local
