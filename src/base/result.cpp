#include "base/result.h"

#include <fmt/format.h>

namespace serin::base {

std::string_view name_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::not_found:
      return "not_found";
    case Errc::already_exists:
      return "already_exists";
    case Errc::conflict:
      return "conflict";
    case Errc::gone:
      return "gone";
    case Errc::forbidden:
      return "forbidden";
    case Errc::timeout:
      return "timeout";
    case Errc::unavailable:
      return "unavailable";
    case Errc::rejected:
      return "rejected";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

Error Error::within(std::string_view context) const {
  return Error{code, fmt::format("{}: {}", context, message)};
}

}  // namespace serin::base
