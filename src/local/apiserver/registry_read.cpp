#include <fmt/format.h>

#include <charconv>

#include "local/apiserver/registry.h"

namespace serin::local {
namespace {

using kube::ObjectRef;

StatusError too_large(std::uint64_t asked, std::uint64_t current) {
  const Json cause =
      Json::object({{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}});
  return {504, "Timeout", fmt::format("Timeout: Too large resource version: {}, current: {}", asked, current),
          Json::object({{"causes", Json::array({cause})}, {"retryAfterSeconds", 1}})};
}

StatusResult<std::uint64_t> parse_revision(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return std::unexpected(StatusError::bad_request(fmt::format(
      "resourceVersion: Invalid value: \"{0}\": strconv.ParseUint: parsing \"{0}\": invalid syntax", text)));
}

/// Where the next page starts. Pages after the first show the objects of now under the revision of the first
/// page; a watch from that revision then repeats what changed in between, so that nothing is missed.
struct Continue {
  std::uint64_t revision = 0;
  ObjectRef after;

  [[nodiscard]] std::string encode() const {
    std::string hex;
    const Json token =
        Json::object({{"rv", static_cast<std::int64_t>(revision)}, {"ns", after.ns}, {"name", after.name}});
    for (const unsigned char c : token.dump()) hex += fmt::format("{:02x}", c);
    return hex;
  }
  static StatusResult<Continue> decode(const std::string& hex) {
    std::string text;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
      text += static_cast<char>(byte);
    }
    const base::Result<Json> token = Json::parse(text);
    if (!token || !token->contains("rv")) {
      return std::unexpected(StatusError::bad_request("continue key is not valid"));
    }
    return Continue{static_cast<std::uint64_t>((*token)["rv"].int_or(0)),
                    {(*token)["ns"].str(), (*token)["name"].str()}};
  }
};

}  // namespace

StatusResult<Listed> Registry::list(const kube::Resource& resource, const std::string& ns,
                                    const ListFlags& flags) const {
  StatusResult<std::shared_ptr<const Served>> served = serve(resource);
  if (!served) return std::unexpected(served.error());
  StatusResult<Selection> selection =
      Selection::parse(**served, ns, flags.label_selector, flags.field_selector);
  if (!selection) return std::unexpected(selection.error());
  if (!flags.resource_version.empty()) {
    StatusResult<std::uint64_t> asked = parse_revision(flags.resource_version);
    if (!asked) return std::unexpected(asked.error());
    if (*asked > revision_) return std::unexpected(too_large(*asked, revision_));
  }
  Listed listed{.revision = revision_};
  const auto& objects = (*served)->collection->objects();
  auto here = objects.lower_bound(ObjectRef{ns, ""});
  if (!flags.continue_token.empty()) {
    StatusResult<Continue> from = Continue::decode(flags.continue_token);
    if (!from) return std::unexpected(from.error());
    if (from->revision < (*served)->collection->horizon()) {
      return std::unexpected(
          expired("The provided continue parameter is too old to display a consistent list "
                  "result. You must start a new list without the continue parameter."));
    }
    listed.revision = from->revision;
    here = objects.upper_bound(from->after);
  }
  const bool selects = !selection->fields.empty() || !selection->labels.matches_everything();
  for (; here != objects.end() && (ns.empty() || here->first.ns == ns); ++here) {
    if (!selection->matches(*here->second)) continue;
    if (flags.limit > 0 && listed.items.size() == static_cast<std::size_t>(flags.limit)) {
      listed.continue_token = Continue{listed.revision, std::prev(here)->first}.encode();
      if (!selects) {
        const auto end = ns.empty() ? objects.end() : objects.lower_bound(ObjectRef{ns + '\0', ""});
        listed.remaining = std::distance(here, end);
      }
      break;
    }
    listed.items.push_back((*served)->view(here->second));
  }
  return listed;
}

StatusResult<std::unique_ptr<Subscription>> Registry::watch(const kube::Resource& resource,
                                                            const std::string& ns,
                                                            const WatchFlags& flags) const {
  StatusResult<std::shared_ptr<const Served>> served = serve(resource);
  if (!served) return std::unexpected(served.error());
  StatusResult<Selection> selection =
      Selection::parse(**served, ns, flags.label_selector, flags.field_selector);
  if (!selection) return std::unexpected(selection.error());
  const Collection& collection = *(*served)->collection;
  std::uint64_t from = 0;
  if (!flags.resource_version.empty()) {
    StatusResult<std::uint64_t> asked = parse_revision(flags.resource_version);
    if (!asked) return std::unexpected(asked.error());
    from = *asked;
  }
  // "" and "0" start with what there is; so does any revision where a streaming list is asked for.
  if (from == 0 || flags.initial_events) {
    std::deque<ObjectPtr> initial;
    for (const auto& [ref, object] : collection.objects()) {
      if (selection->matches(*object)) initial.push_back(object);
    }
    std::optional<std::uint64_t> end;
    if (flags.initial_events) end = revision_;
    return std::make_unique<Subscription>(std::move(*served), std::move(*selection), std::move(initial), end,
                                          collection.end_index());
  }
  if (from > revision_) return std::unexpected(too_large(from, revision_));
  if (from < collection.horizon()) {
    return std::unexpected(
        expired(fmt::format("too old resource version: {} ({})", from, collection.horizon())));
  }
  return std::make_unique<Subscription>(std::move(*served), std::move(*selection), std::deque<ObjectPtr>(),
                                        std::nullopt, collection.index_after(from));
}

}  // namespace serin::local
