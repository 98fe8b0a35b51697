#include "local/mesh/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "http/message.h"
#include "local/mesh/labels.h"

namespace serin::local::mesh {

using base::Task;

Connection::Connection(Tcp::socket socket, std::optional<Destination> destination, Shared& shared)
    : shared_(shared),
      client_(std::move(socket), shared.clock, shared.watchdog),
      destination_(std::move(destination)),
      pump_ended_(client_.socket().get_executor()) {
  ErrorCode error;
  const Tcp::endpoint from = client_.socket().remote_endpoint(error);
  if (error || !from.address().is_v4()) return;
  const std::shared_ptr<const MeshPod> caller = shared_.routes.pod_at(from.address().to_v4());
  if (!caller) return;
  caller_ip_ = from.address().to_v4().to_uint();
  caller_ = {caller->ns, caller->name};
  const auto* at = destination_ ? std::get_if<ServiceAddress>(&*destination_) : nullptr;
  if (at) {
    const std::string labels = outbound_source_labels(at->address.address().to_string(), at->address.port());
    client_.count(shared_.registry.transport(caller_, labels), false);
  }
}

Task<void> Connection::serve() {
  for (;;) {
    FirstBytes first = FirstBytes::http;
    if (destination_) first = co_await look_at_first_bytes();
    if (first == FirstBytes::unknown) co_return;
    if (first == FirstBytes::other) {
      co_await pass_through();
      co_return;
    }
    // Again: a CONNECT has said where this connection leads, and what follows may be anything.
    const Next next = co_await serve_http();
    if (next != Next::again) break;
  }
  co_await linger();
}

/// unknown: the client went away before it could be told.
Task<FirstBytes> Connection::look_at_first_bytes() {
  if (shared_.routes.opaque(*destination_)) co_return FirstBytes::other;
  client_.set_deadline(shared_.clock.now() + shared_.limits.detect_timeout);
  for (;;) {
    const FirstBytes seen = detect(client_.data());
    if (seen != FirstBytes::unknown) co_return seen;
    const ErrorCode error = co_await client_.fill();
    if (!error) continue;
    // A client that says nothing may be waiting for the server to speak first.
    if (client_.timed_out()) co_return FirstBytes::other;
    co_return client_.data().empty() ? FirstBytes::unknown : FirstBytes::other;
  }
}

Task<Connection::Next> Connection::serve_http() {
  for (;;) {
    const bool complete = co_await read_head();
    if (!complete) co_return Next::close;
    Next next = Next::close;
    if (destination_) {
      next = co_await exchange(*destination_, std::string(head_.target), std::string(head_.host));
    } else {
      next = co_await forward();
    }
    if (next != Next::request) co_return next;
  }
}

/// False: there is no further request, or it was refused.
Task<bool> Connection::read_head() {
  const Limits& limits = shared_.limits;
  std::size_t searched = 0;
  bool begun = !client_.data().empty();
  client_.set_deadline(shared_.clock.now() + (begun ? limits.head_timeout : limits.idle_timeout));
  for (;;) {
    while (client_.data().starts_with("\r\n")) client_.consume(2);  // RFC 9112 §2.2
    const std::size_t end = find_head_end(client_.data(), searched);
    int status = 0;
    std::string text;
    if (end > limits.header_max && client_.data().size() > limits.header_max) {
      status = 431;
      text = fmt::format("the head of the request is longer than {} bytes", limits.header_max);
    } else if (end != std::string_view::npos) {
      client_.clear_deadline();
      const auto parsed = parse_request_head(client_.data().substr(0, end), head_);
      if (parsed) co_return true;
      status = parsed.error().status;
      text = parsed.error().text;
    } else if (client_.data() != "\r" && detect(client_.data()) == FirstBytes::other) {
      status = 400;  // at once: whoever speaks TLS to us would wait for its answer
      text = "this is no HTTP/1.1";
    } else {
      const ErrorCode error = co_await client_.fill();
      if (!error) {
        if (!begun) client_.set_deadline(shared_.clock.now() + limits.head_timeout);
        begun = true;
        continue;
      }
      if (client_.data().empty() || !client_.timed_out()) co_return false;
      status = 408;
      text = "the request did not arrive in time";
    }
    co_await answer(status, std::move(text), false);
    co_return false;
  }
}

namespace {

/// Texts that quote objects of the API must not end a header line.
void make_printable(std::string& text) {
  std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
}

struct Authority {
  std::string host;
  std::uint16_t port = 80;
};

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  const std::size_t colon = text.rfind(':');
  authority.host = text.substr(0, colon);
  if (authority.host.empty()) return std::nullopt;
  if (colon == std::string_view::npos) return authority;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), authority.port);
  if (error != std::errc() || end != digits.data() + digits.size() || authority.port == 0)
    return std::nullopt;
  return authority;
}

}  // namespace

/// One request of the forward proxy's client.
Task<Connection::Next> Connection::forward() {
  const bool connect = head_.method == "CONNECT";
  std::string_view rest = head_.target;
  if (!connect && !rest.starts_with("http://")) {
    Next refused = co_await answer(400,
                                   "This is the cluster's forward proxy, not a service. Call it like this: "
                                   "curl -x http://<this address> http://<service>.<namespace>:<port>/",
                                   false);
    co_return refused;
  }
  if (!connect) rest.remove_prefix(7);
  const std::size_t slash = rest.find_first_of("/?");
  const std::string host(rest.substr(0, slash));
  std::string target = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  if (target.starts_with('?')) target.insert(0, "/");
  const std::optional<Authority> authority = parse_authority(host);
  if (!authority) {
    const Next refused = co_await answer(400, fmt::format("\"{}\" is no host and port", host), false);
    co_return refused;
  }
  const base::Result<Destination> destination = shared_.routes.resolve(authority->host, authority->port);
  if (!destination) {
    const Next refused = co_await answer(502, destination.error().message, false);
    co_return refused;
  }
  if (!connect) {
    const Next next = co_await exchange(*destination, std::move(target), host);
    co_return next;
  }
  client_.consume(head_.size);
  destination_ = *destination;
  const ErrorCode error = co_await client_.write("HTTP/1.1 200 Connection established\r\n\r\n");
  co_return error ? Next::close : Next::again;
}

Task<Connection::Next> Connection::answer(int status, std::string text, bool keep_alive) {
  make_printable(text);
  const std::string body = destination_ ? std::string() : text + "\n";
  out_.clear();
  fmt::format_to(std::back_inserter(out_),
                 "HTTP/1.1 {} {}\r\nl5d-proxy-error: {}\r\nContent-Length: {}\r\n{}{}\r\n{}", status,
                 http::reason_phrase(status), text, body.size(),
                 body.empty() ? "" : "Content-Type: text/plain; charset=utf-8\r\n",
                 keep_alive ? "" : "Connection: close\r\n", body);
  const ErrorCode error = co_await client_.write(out_);
  co_return error || !keep_alive ? Next::close : Next::request;
}

/// There is no endpoint to ask: a redirect, or why not.
Task<Connection::Next> Connection::answer_pick(Pick pick, bool keep_alive) {
  if (pick.location.empty()) {
    const Next next = co_await answer(pick.status, std::move(pick.error), keep_alive);
    co_return next;
  }
  make_printable(pick.location);
  out_.clear();
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\nLocation: {}\r\nContent-Length: 0\r\n{}\r\n",
                 pick.status, http::reason_phrase(pick.status), pick.location,
                 keep_alive ? "" : "Connection: close\r\n");
  const ErrorCode error = co_await client_.write(out_);
  co_return error || !keep_alive ? Next::close : Next::request;
}

/// Closing with unread bytes would reset the connection, and the client might lose our answer: so say that
/// we are done, and read on for a moment.
Task<void> Connection::linger() {
  client_.shutdown_send();
  client_.set_deadline(shared_.clock.now() + std::chrono::seconds(1));
  for (std::size_t unread = 0; unread < (1u << 20);) {
    unread += client_.data().size();
    client_.consume(client_.data().size());
    const ErrorCode error = co_await client_.fill();
    if (error) co_return;
  }
}

}  // namespace serin::local::mesh
