#include "local/node/wire.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

// A longer text travels in a memory file, since a packet must fit the socket's buffer as a whole. The packet
// is then this one byte, which no JSON object starts with.
constexpr std::size_t packet_max = 64 * 1024;
constexpr std::string_view in_memory_file = "@";

Result<Fd> memory_file(std::string_view text) {
  Fd file(::memfd_create("message", MFD_CLOEXEC));
  if (!file) return fail_errno("cannot make a memory file");
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0) return fail_errno("cannot write a memory file");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return file;
}

Result<std::string> content_of(const Fd& file) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return fail_errno("cannot read a message's memory file");
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pread(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n <= 0) return fail_errno("cannot read a message's memory file");
    done += static_cast<std::size_t>(n);
  }
  return text;
}

using Control = std::array<char, CMSG_SPACE(sizeof(int) * (message_fds_max + 1))>;

Result<void> send_packet(int socket, std::string_view text, std::span<const int> fds) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) Control control{};
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {  // full; the other side never waits for us while it reads
      pollfd writable{socket, POLLOUT, 0};
      ::poll(&writable, 1, -1);
      continue;
    }
    if (errno == EPIPE || errno == ECONNRESET) return fail(Errc::unavailable, "the other side has gone");
    return fail_errno("cannot send a message");
  }
  return {};
}

}  // namespace

Result<void> send_message(int socket, const Json& body, std::span<const int> fds) {
  if (fds.size() > message_fds_max) return fail(Errc::invalid, "too many descriptors for one message");
  const std::string text = body.dump();
  if (text.size() <= packet_max) return send_packet(socket, text, fds);
  const Result<Fd> file = memory_file(text);
  if (!file) return fail(file.error());
  std::vector<int> all(fds.begin(), fds.end());
  all.push_back(file->get());
  return send_packet(socket, in_memory_file, all);
}

Result<std::optional<Message>> receive_message(int socket) {
  std::string text(packet_max, '\0');
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t n = 0;
  do n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n == 0 || (n < 0 && errno == ECONNRESET)) return std::nullopt;
  if (n < 0 && errno == EAGAIN) return fail(Errc::timeout, "there is no message yet");
  if (n < 0) return fail_errno("cannot receive a message");
  text.resize(static_cast<std::size_t>(n));

  Message message;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      message.fds.emplace_back(fd);
    }
  }
  if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail(Errc::internal, "a message was cut off");
  if (text == in_memory_file && !message.fds.empty()) {
    Result<std::string> content = content_of(message.fds.back());
    if (!content) return fail(content.error());
    text = std::move(*content);
    message.fds.pop_back();
  }
  Result<Json> body = Json::parse(text);
  if (!body) return fail(body.error());
  message.body = std::move(*body);
  return message;
}

}  // namespace serin::local
