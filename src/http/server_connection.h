#pragma once

#include <memory>
#include <string>

#include "http/parser.h"
#include "http/server.h"
#include "http/stream.h"

namespace serin::http {

/// What all connections of a server share; outlives them.
struct ServerRules {
  ServerOptions options;
  TlsContext tls;
  Handler handler;
  base::Logger log;
};

/// A connection's bytes: the stream and what was read ahead of the parser. Shared with the Duplex that
/// takes over after an upgrade.
struct Wire {
  std::unique_ptr<Stream> stream;
  std::string inbound;
};

/// Serves one connection to its end: request after request, one at a time.
class ServerConnection {
 public:
  ServerConnection(const ServerRules* rules, Peer peer) : rules_(rules), peer_(std::move(peer)) {}

  base::Task<void> serve(Socket socket);

 private:
  /// How it goes on after a request: with another one, with an orderly end, or with none.
  enum class Next { request, close, drop };

  base::Task<bool> shake_hands(Socket socket);
  base::Task<Next> serve_one();
  base::Task<bool> wait_for_request();
  base::Task<void> receive(MessageParser* parser, std::optional<ParseFailure>* refusal);
  base::Task<Next> answer(MessageHead head, std::string body);
  base::Task<void> call_handler(Request request, Responder* responder);
  base::Task<Next> refuse(ParseFailure failure);

  const ServerRules* rules_;
  Peer peer_;
  std::shared_ptr<Wire> wire_ = std::make_shared<Wire>();
  base::SystemClock clock_;
};

}  // namespace serin::http
