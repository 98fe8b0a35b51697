#include "local/node/hosts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "local/node/fd.h"

namespace serin::local {

using base::Json;
using base::Result;

namespace {

constexpr std::string_view begin_mark = "# serin begin\n";
constexpr std::string_view end_mark = "# serin end\n";

}  // namespace

std::vector<ServiceAddress> service_addresses(const std::vector<const Json*>& services,
                                              const std::vector<const Json*>& headless_slices,
                                              const std::vector<const Json*>& ingresses) {
  std::vector<ServiceAddress> found;
  for (const Json* service : services) {
    const std::string& address = service->get("spec", "clusterIP").str();
    if (address.empty() || address == "None") continue;
    found.push_back(
        {service->get("metadata", "namespace").str(), service->get("metadata", "name").str(), address});
  }
  for (const Json* slice : headless_slices) {
    const Json& service = slice->get("metadata", "labels", "kubernetes.io/service-name");
    for (const Json& endpoint : (*slice)["endpoints"].items()) {
      if (!endpoint.get("conditions", "ready").bool_or(true)) continue;
      found.push_back(
          {slice->get("metadata", "namespace").str(), service.str(), endpoint["addresses"].at(0).str()});
    }
  }
  for (const Json* ingress : ingresses) {
    const std::string& address = ingress->get("status", "loadBalancer", "ingress").at(0)["ip"].str();
    for (const Json& rule : ingress->get("spec", "rules").items()) {
      const std::string& host = rule["host"].str();
      if (!address.empty() && !host.empty() && !host.starts_with('*')) found.push_back({"", host, address});
    }
  }
  std::ranges::sort(found, {}, [](const ServiceAddress& s) { return std::tie(s.ns, s.name, s.address); });
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

std::string service_lines(const std::vector<ServiceAddress>& services, std::string_view ns) {
  std::map<std::string_view, std::set<std::string_view>> namespaces;
  for (const ServiceAddress& service : services) namespaces[service.name].insert(service.ns);
  std::string lines;
  for (const ServiceAddress& s : services) {
    if (s.ns.empty()) {
      lines += fmt::format("{}\t{}\n", s.address, s.name);
      continue;
    }
    const bool bare = ns.empty() ? namespaces[s.name].size() == 1 : s.ns == ns;
    lines += s.address;
    if (bare) lines += "\t" + s.name;
    lines += fmt::format("\t{0}.{1}\t{0}.{1}.svc\t{0}.{1}.svc.cluster.local\n", s.name, s.ns);
  }
  return lines;
}

std::string pod_hosts(const std::vector<ServiceAddress>& services, std::string_view ns,
                      std::string_view hostname, std::string_view address) {
  return fmt::format(
      "# Written by serin; kept up to date with the Services.\n"
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{}\n{}",
      address, hostname, service_lines(services, ns));
}

std::string with_marked_lines(std::string_view file, std::string_view lines) {
  std::string text(file);
  if (const std::size_t begin = text.find(begin_mark); begin != std::string::npos) {
    const std::size_t end = text.find(end_mark, begin);
    // Without its end the block was cut off: what follows is not known to be ours, only the mark is.
    text.erase(begin, end == std::string::npos ? begin_mark.size() : end + end_mark.size() - begin);
  }
  if (lines.empty()) return text;
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text + std::string(begin_mark) + std::string(lines) + std::string(end_mark);
}

Result<void> write_in_place(const std::string& path, std::string_view text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!file) return fail_errno("cannot open " + path);
  // Written over before it is cut, so that a reader never finds it empty.
  if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) {
    return fail_errno("cannot write " + path);
  }
  return {};
}

Result<void> mark_hosts_file(const std::string& path, std::string_view lines) {
  std::ifstream file(path);
  const std::string before{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string after = with_marked_lines(before, lines);
  if (after == before) return {};
  const Result<void> written = write_in_place(path, after);
  if (written) return {};
  return base::fail(
      written.error().code,
      written.error().message +
          "; service names cannot be resolved: run serin as root, allow user namespaces, or add "
          "these lines yourself:\n" +
          std::string(lines));
}

}  // namespace serin::local
