#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "http/client.h"
#include "http/proxy_rules.h"
#include "http/resolver.h"
#include "http/stream.h"

namespace serin::http {

/// A client's connection to a server, or to a proxy on the way to it.
struct Connection {
  std::unique_ptr<Stream> stream;
  std::string inbound;         ///< arrived and not yet parsed
  bool through_proxy = false;  ///< plain http by way of a proxy: the request names the whole URL
  bool reused = false;
};

/// Makes connections, through proxies and TLS where that is asked for, and keeps idle ones for a while.
class Connections {
 public:
  Connections(base::Executor executor, ProxyRules proxies, TlsContext tls, ClientOptions options);

  /// Which idle connections will do. `recent`: see ClientOptions::idle_for_post_max.
  enum class Reuse { any, recent, none };
  /// An idle connection for this URL, or a new one.
  base::Task<base::Result<std::unique_ptr<Connection>>> get(Url url, Reuse reuse);
  /// Keeps a connection whose last answer was read to its end.
  void put_back(const Url& url, std::unique_ptr<Connection> connection);
  [[nodiscard]] const Url* proxy_for(const Url& url) const { return proxies_.proxy_for(url); }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    base::MonoTime since;
  };
  std::unique_ptr<Connection> take_idle(const Url& url, Reuse reuse);
  base::Task<base::Result<std::unique_ptr<Connection>>> dial(Url url);
  base::Task<base::Result<Socket>> connect(std::string host, std::string port);
  base::Task<base::Result<Socket>> tunnel(Socket socket, Url url, Url proxy);

  base::Executor executor_;
  base::SystemClock clock_;
  ProxyRules proxies_;
  TlsContext tls_;
  std::string server_name_;
  std::size_t idle_max_;
  base::Duration idle_for_post_max_;
  Resolver resolver_;
  std::map<std::string, std::list<Idle>> idle_;  // by scheme and authority; newest last
};

}  // namespace serin::http
