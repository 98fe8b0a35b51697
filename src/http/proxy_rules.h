#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/client.h"

namespace serin::http {

/// Which proxy a URL goes through, decided as Go's golang.org/x/net/http/httpproxy documents it.
class ProxyRules {
 public:
  /// Errors (invalid) name the proxy URL that cannot be used.
  static base::Result<ProxyRules> parse(const ProxyOptions& options);
  /// Null: direct.
  [[nodiscard]] const Url* proxy_for(const Url& url) const;

 private:
  /// One entry of NO_PROXY.
  struct Exception {
    std::string suffix;   ///< ".example.com": names below it
    std::string host;     ///< a name or address that must match as a whole; empty: only the suffix
    std::string network;  ///< CIDR; then the others are empty
    std::string port;     ///< empty: every port
  };
  static Exception parse_exception(std::string entry);
  static bool matches(const Exception& exception, const Url& url);

  std::optional<Url> every_, http_, https_;
  std::vector<Exception> exceptions_;
  bool all_direct_ = false;
};

}  // namespace serin::http
