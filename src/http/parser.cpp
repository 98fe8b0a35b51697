#include "http/parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace serin::http {

namespace {

namespace beast = boost::beast;
using beast::string_view;
using beast::http::error;
using boost::system::error_code;

ParseFailure failure_of(error_code code) {
  if (code == error::header_limit) return {431, "the headers are too large"};
  if (code == error::body_limit) return {413, "the body is too large"};
  if (code == error::bad_version) return {400, "malformed HTTP version"};
  if (code == error::partial_message) return {400, "unexpected EOF"};
  return {400, "malformed HTTP message: " + code.message()};
}

/// Beast's incremental parser: it calls the hooks below from put().
template <bool is_request>
class BeastParser final : public MessageParser, private beast::http::basic_parser<is_request> {
 public:
  BeastParser(ParserLimits limits, bool bodyless) : header_max_(limits.header_max) {
    this->eager(true);
    this->header_limit(static_cast<std::uint32_t>(limits.header_max));
    this->skip(bodyless);
    if (limits.body_max == ~std::uint64_t{0}) {
      this->body_limit(boost::none);  // Beast's own default is 8 MB
    } else {
      this->body_limit(limits.body_max);
    }
  }

  std::expected<std::size_t, ParseFailure> feed(std::string_view bytes) override {
    if (done() || bytes.empty()) return 0;
    error_code code;
    const std::size_t consumed = this->put(boost::asio::const_buffer(bytes.data(), bytes.size()), code);
    const bool wants_more = code == error::need_more;
    if (code && !wants_more) return std::unexpected(failure_of(code));
    // Beast limits one piece of header, or one chunk's header, but not how many of them there are, nor how
    // long an unfinished one may grow.
    const std::size_t waiting = wants_more ? bytes.size() - consumed : 0;
    if (!head_done()) header_bytes_ += consumed;
    if (header_bytes_ + waiting > header_max_) return std::unexpected(failure_of(error::header_limit));
    return consumed;
  }

  std::expected<void, ParseFailure> end() override {
    if (done()) return {};
    if (!this->got_some()) return std::unexpected(failure_of(error::partial_message));
    error_code code;
    this->put_eof(code);
    if (code) return std::unexpected(failure_of(code));
    return {};
  }

  [[nodiscard]] bool head_done() const override { return this->is_header_done(); }
  [[nodiscard]] bool done() const override { return this->is_done(); }

 private:
  void on_request_impl(beast::http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    head.method = method;
    head.target = target;
    head.version = version;
  }
  void on_response_impl(int status, string_view, int version, error_code&) override {
    head.status = status;
    head.version = version;
  }
  void on_field_impl(beast::http::field, string_view name, string_view value, error_code& code) override {
    if (head_done()) return;  // trailers: nothing here reads them
    field_bytes_ += name.size() + value.size() + 4;
    if (field_bytes_ > header_max_) {
      code = error::header_limit;
      return;
    }
    head.headers.add(name, std::string(value));
  }
  void on_header_impl(error_code& code) override {
    // A request whose body's length is coded in a way we do not know could be read differently by a proxy
    // before us (RFC 9112 §6.1).
    if (is_request && head.headers.contains("Transfer-Encoding") && !this->chunked()) {
      code = error::bad_transfer_encoding;
    }
    head.keep_alive = this->keep_alive();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view piece, error_code&) override {
    body += std::string_view(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code&) override {
    body += std::string_view(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(error_code&) override {}

  std::size_t header_max_;
  std::size_t header_bytes_ = 0;  // consumed of an unfinished header
  std::size_t field_bytes_ = 0;
};

}  // namespace

std::unique_ptr<MessageParser> MessageParser::for_request(ParserLimits limits) {
  return std::make_unique<BeastParser<true>>(limits, false);
}

std::unique_ptr<MessageParser> MessageParser::for_response(ParserLimits limits, bool bodyless) {
  return std::make_unique<BeastParser<false>>(limits, bodyless);
}

}  // namespace serin::http
