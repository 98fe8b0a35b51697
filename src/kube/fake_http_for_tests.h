#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"

namespace serin::kube::testing {

/// An HTTP server that answers from a script and keeps what it was asked.
class FakeHttp final : public http::Client {
 public:
  using Answer = base::Result<http::Response>;
  /// One read() of a body: a piece, its end (nullopt) or a failure.
  using Piece = base::Result<std::optional<std::string>>;

  struct Sent {
    http::Request request;
    http::ExchangeOptions options;
  };

  void answer(int status, std::string body, http::Headers headers = {}) {
    answers.emplace_back(http::Response{status, std::move(headers), std::move(body)});
  }
  void refuse(base::Errc code, std::string message) {
    answers.emplace_back(base::fail(code, std::move(message)));
  }
  void stream(std::vector<Piece> pieces) {
    bodies.emplace_back(pieces.begin(), pieces.end());
    answers.emplace_back(http::Response{});
  }

  base::Task<Answer> send(http::Request request, http::ExchangeOptions options) override {
    sent.push_back({std::move(request), options});
    co_return take();
  }

  base::Task<base::Result<http::StreamingResponse>> open(http::Request request,
                                                         http::ExchangeOptions options) override {
    sent.push_back({std::move(request), options});
    Answer head = take();
    if (!head) co_return base::fail(head.error());
    std::deque<Piece> pieces;
    if (!head->body.empty()) pieces.emplace_back(std::optional(std::exchange(head->body, {})));
    if (pieces.empty() && !bodies.empty()) {
      pieces = std::move(bodies.front());
      bodies.pop_front();
    }
    http::StreamingResponse response{std::move(*head), std::make_unique<Body>(std::move(pieces))};
    co_return std::move(response);
  }

  std::vector<Sent> sent;
  std::deque<Answer> answers;  ///< used up in order; then every request is refused
  std::deque<std::deque<Piece>> bodies;

 private:
  class Body final : public http::BodyStream {
   public:
    explicit Body(std::deque<Piece> pieces) : pieces_(std::move(pieces)) {}
    base::Task<Piece> read() override {
      if (pieces_.empty()) co_return std::nullopt;
      Piece piece = std::move(pieces_.front());
      pieces_.pop_front();
      co_return piece;
    }

   private:
    std::deque<Piece> pieces_;
  };

  Answer take() {
    if (answers.empty()) return base::fail(base::Errc::unavailable, "connection refused");
    Answer answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
};

}  // namespace serin::kube::testing
