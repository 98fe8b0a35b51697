#include "canary/affinity.h"

#include "canary/hash.h"

namespace serin::canary {
namespace {

/// Ten letters that depend on the text alone.
std::string letters(const std::string& uid, const std::string& text) {
  std::string result;
  for (const char c : stable_uuid(uid, text)) {
    if (result.size() == 10) break;
    if (c == '-') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    result += static_cast<char>((result.size() % 2 == 0 ? 'a' : 'A') + digit);
  }
  return result;
}

}  // namespace

Affinity affinity_for(const SessionAffinity& wanted, const std::string& uid, const std::string& revision,
                      Affinity present, bool to_canary) {
  if (to_canary) {
    const auto keep_or_make = [&](std::string& cookie, const std::string& name, const char* version) {
      if (!cookie.starts_with(name + "=")) cookie = name + "=" + letters(uid, version + (" " + revision));
    };
    keep_or_make(present.canary, wanted.cookie_name, "canary");
    keep_or_make(present.primary, wanted.primary_cookie_name, "primary");
    return present;
  }
  if (!present.canary.empty()) present.previous = std::move(present.canary);
  present.canary.clear();
  present.primary.clear();
  return present;
}

}  // namespace serin::canary
