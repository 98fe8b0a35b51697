#pragma once

#include <map>
#include <memory>
#include <string>

#include "local/apiserver/node_api.h"
#include "local/streaming/spdy_connection.h"
#include "local/streaming/websocket_duplex.h"

namespace serin::local {

/// An ExecSession whose bytes from the user arrive in inboxes; the wires differ in how output leaves.
class InboxSession : public ExecSession {
 public:
  base::Task<base::Result<std::optional<std::string>>> read_stdin() override;
  base::Task<std::optional<TerminalSize>> resize() override;
  base::Task<base::Result<void>> finish(base::Json status) override;
  [[nodiscard]] bool finished() const { return finished_; }

 protected:
  /// Null: the user didn't ask for that stream.
  virtual Inbox* stdin_box() = 0;
  virtual Inbox* resize_box() = 0;
  /// Sends the final Status and closes everything.
  virtual base::Task<base::Result<void>> send_status(std::string status) = 0;

 private:
  std::string resize_text_;
  bool finished_ = false;
};

/// Over SPDY: a stream each for error, stdin, stdout, stderr and resize, told apart by `streamtype`.
class SpdyExecSession final : public InboxSession {
 public:
  using Streams = std::map<std::string, std::shared_ptr<SpdyStream>, std::less<>>;

  SpdyExecSession(SpdyConnection& connection, Streams streams)
      : connection_(connection), streams_(std::move(streams)) {}
  base::Task<base::Result<void>> write(int fd, std::string bytes) override;

 private:
  Inbox* stdin_box() override { return box("stdin"); }
  Inbox* resize_box() override { return box("resize"); }
  Inbox* box(std::string_view type);
  base::Task<base::Result<void>> send_status(std::string status) override;

  SpdyConnection& connection_;
  Streams streams_;
};

/// Over WebSocket (v4 and v5.channel.k8s.io): the first byte of each message names the channel.
class WebSocketExecSession final : public InboxSession {
 public:
  WebSocketExecSession(const base::Executor& executor, WebSocketDuplex& socket)
      : socket_(socket), stdin_(executor), resize_(executor) {}

  /// Reads messages until the user goes; then the inboxes break off.
  base::Task<void> run();
  /// Tells the user that the session stands: an empty message on the lowest channel he reads.
  base::Task<void> greet(const ExecRequest& request);
  base::Task<base::Result<void>> write(int fd, std::string bytes) override;

 private:
  Inbox* stdin_box() override { return &stdin_; }
  Inbox* resize_box() override { return &resize_; }
  base::Task<base::Result<void>> send_status(std::string status) override;
  base::Task<void> receive(std::string message);

  WebSocketDuplex& socket_;
  Inbox stdin_, resize_;
};

/// Takes the first whole {"Width":…,"Height":…} off `text`; nullopt while there is none.
std::optional<TerminalSize> take_terminal_size(std::string& text);

}  // namespace serin::local
