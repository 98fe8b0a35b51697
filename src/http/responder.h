#pragma once

#include "http/server_connection.h"

namespace serin::http {

/// The answer to one request on a server's connection.
class WireResponder final : public Responder {
 public:
  /// What the request says about how it may be answered.
  struct Terms {
    bool head_only = false;   ///< HEAD
    bool keep_alive = false;  ///< the peer would like to go on
    int version = 11;
  };
  enum class State { unanswered, streaming, answered, taken_over, broken };

  WireResponder(std::shared_ptr<Wire> wire, const Peer* peer, Terms terms, base::Duration write_timeout)
      : wire_(std::move(wire)), peer_(peer), terms_(terms), write_timeout_(write_timeout) {}

  base::Task<base::Result<void>> send(Response response) override;
  base::Task<base::Result<void>> start(Response head) override;
  base::Task<base::Result<void>> write(std::string piece) override;
  base::Task<base::Result<void>> finish() override;
  base::Task<base::Result<std::unique_ptr<Duplex>>> upgrade(Response head) override;
  void abandon() override;
  base::Task<void> closed() override;
  [[nodiscard]] const Peer& peer() const override { return *peer_; }

  [[nodiscard]] State state() const { return state_; }
  /// Whether the connection can carry another request after this answer.
  [[nodiscard]] bool reusable() const { return state_ == State::answered && terms_.keep_alive; }

 private:
  [[nodiscard]] bool chunked() const { return terms_.version >= 11; }
  /// Completes the headers of an answer that ends with this state of the connection.
  Headers complete(Headers headers);
  base::Task<base::Result<void>> put(std::string bytes);

  std::shared_ptr<Wire> wire_;
  const Peer* peer_;
  Terms terms_;
  base::Duration write_timeout_;
  base::SystemClock clock_;
  State state_ = State::unanswered;
  bool bodyless_ = false;
};

}  // namespace serin::http
