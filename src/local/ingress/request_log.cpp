#include "local/ingress/request_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;
using base::Task;

Result<int> open_pipe(const std::filesystem::path& file) {
  const bool is_there = ::mkfifo(file.c_str(), 0600) == 0 || errno == EEXIST;
  const int fd = is_there ? ::open(file.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
  if (fd < 0)
    return fail(Errc::unavailable, fmt::format("cannot make {}: {}", file.string(), std::strerror(errno)));
  return fd;
}

Result<void> RequestLog::open(const std::filesystem::path& file) {
  const Result<int> fd = open_pipe(file);
  if (!fd) return fail(fd.error());
  ::fcntl(*fd, F_SETPIPE_SZ, 1 << 20);  // bursts are more than the usual 64 KiB; the usual serves, too
  pipe_.assign(*fd);
  return {};
}

Task<void> RequestLog::run() {
  std::array<char, 64u << 10> piece;
  std::string rest;
  while (true) {
    const std::size_t read =
        co_await pipe_.async_read_some(boost::asio::buffer(piece), boost::asio::use_awaitable);
    rest.append(piece.data(), read);
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      metrics_.count(std::string_view(rest).substr(begin, end - begin));
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
}

}  // namespace serin::local
