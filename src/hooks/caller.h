#pragma once

#include <string>

#include "base/random.h"
#include "base/task.h"
#include "canary/spec.h"
#include "http/client.h"

namespace serin::hooks {

/// POSTs webhooks (spec 09 §4): a timeout an attempt, retries with growing pauses (see retry.h), success up
/// to status 202. Answers are read to 64 KiB; redirects are followed on the same host only, since one could
/// send the payload to a host that nobody named.
class Webhooks {
 public:
  /// `insecure`: the client for hooks with disableTLS, which verifies no certificate.
  Webhooks(http::Client& client, http::Client& insecure, base::Clock& clock);

  /// Success, or the error whose text events show after "failed".
  base::Task<base::Result<void>> call(canary::Webhook hook, std::string body);

 private:
  struct Attempt {
    bool passed = false, again = false;
    base::Duration pause{};
    std::string text;
  };
  base::Task<Attempt> attempt(canary::Webhook hook, std::string body, http::Url url, int number);

  http::Client& client_;
  http::Client& insecure_;
  base::Clock& clock_;
};

}  // namespace serin::hooks
