#include "local/node/netlink.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace serin::local {

using base::Errc;
using base::fail;
using base::Result;

/// A message under construction: header, one fixed structure, attributes that may nest.
class Netlink::Request {
 public:
  template <class Body>
  Request(int type, int flags, const Body& body) {
    nlmsghdr& head = header();
    head.nlmsg_type = static_cast<std::uint16_t>(type);
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    head.nlmsg_len = NLMSG_HDRLEN;
    append(&body, sizeof(body));
  }

  void append(const void* data, std::size_t size) {
    if (size > 0) std::memcpy(bytes_.data() + header().nlmsg_len, data, size);
    header().nlmsg_len += static_cast<std::uint32_t>(NLMSG_ALIGN(size));
  }
  void attribute(int type, const void* data, std::size_t size) {
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(size)), static_cast<std::uint16_t>(type)};
    append(&attribute, sizeof(attribute));
    append(data, size);
  }
  template <class T>
  void number(int type, T value) {
    attribute(type, &value, sizeof(value));
  }
  void text(int type, std::string_view value) { attribute(type, value.data(), value.size()); }
  /// Starts an attribute that contains what follows, until close().
  std::size_t open(int type) {
    const std::size_t at = header().nlmsg_len;
    attribute(type, nullptr, 0);
    return at;
  }
  void close(std::size_t at) {
    auto* const attribute = reinterpret_cast<rtattr*>(bytes_.data() + at);
    attribute->rta_len = static_cast<std::uint16_t>(header().nlmsg_len - at);
  }

  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }

 private:
  alignas(nlmsghdr) std::array<char, 1024> bytes_{};  // the longest message here takes some 150
};

namespace {

/// Interface names end with a zero byte on the wire.
std::string_view with_zero(const std::string& name) {
  return {name.c_str(), name.size() + 1};
}

Result<unsigned> index_of(std::string_view name) {
  const unsigned index = ::if_nametoindex(std::string(name).c_str());
  if (index == 0) return fail_errno(fmt::format("no network interface {}", name));
  return index;
}

Result<in_addr> parse_address(std::string_view text) {
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
    return fail(Errc::invalid, fmt::format("{} is no IPv4 address", text));
  }
  return address;
}

rtmsg route_message(unsigned char table, unsigned char type, unsigned char scope, int length) {
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_dst_len = static_cast<unsigned char>(length);
  route.rtm_table = table;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = scope;
  route.rtm_type = type;
  return route;
}

ifinfomsg link_message(unsigned index = 0) {
  ifinfomsg link{};
  link.ifi_family = AF_UNSPEC;
  link.ifi_index = static_cast<int>(index);
  return link;
}

}  // namespace

Result<Netlink> Netlink::open() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno("cannot open a netlink socket");
  return Netlink(std::move(socket));
}

Result<void> Netlink::send(Request& request, std::string_view what) {
  nlmsghdr& head = request.header();
  if (::send(socket_.get(), &head, head.nlmsg_len, 0) < 0) return fail_errno(what);
  alignas(nlmsghdr) std::array<char, 4096> answer;
  const ssize_t n = ::recv(socket_.get(), answer.data(), answer.size(), 0);
  if (n < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return fail_errno(what);
  const auto* const reply = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (reply->nlmsg_type != NLMSG_ERROR) return fail(Errc::internal, fmt::format("{}: odd answer", what));
  const auto* const error = static_cast<const nlmsgerr*>(NLMSG_DATA(reply));
  if (error->error != 0) return fail(errno_error(what, -error->error));
  return {};
}

Result<void> Netlink::add_bridge(std::string_view name) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_message());
  request.text(IFLA_IFNAME, with_zero(std::string(name)));
  const std::size_t info = request.open(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "bridge");
  request.close(info);
  return send(request, fmt::format("cannot make the network bridge {}", name));
}

Result<void> Netlink::add_veth(std::string_view name, std::string_view bridge, std::string_view peer,
                               pid_t pid) {
  const Result<unsigned> master = index_of(bridge);
  if (!master) return fail(master.error());
  ifinfomsg link = link_message();
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link);
  request.text(IFLA_IFNAME, with_zero(std::string(name)));
  request.number<std::uint32_t>(IFLA_MASTER, *master);
  const std::size_t info = request.open(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  const std::size_t data = request.open(IFLA_INFO_DATA);
  const std::size_t other = request.open(VETH_INFO_PEER);
  const ifinfomsg other_link = link_message();
  request.append(&other_link, sizeof(other_link));
  request.text(IFLA_IFNAME, with_zero(std::string(peer)));
  request.number<std::uint32_t>(IFLA_NET_NS_PID, static_cast<std::uint32_t>(pid));
  request.close(other);
  request.close(data);
  request.close(info);
  return send(request, fmt::format("cannot make the network interface {}", name));
}

Result<void> Netlink::set_up(std::string_view name) {
  const Result<unsigned> index = index_of(name);
  if (!index) return fail(index.error());
  ifinfomsg link = link_message(*index);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  Request request(RTM_NEWLINK, 0, link);
  return send(request, fmt::format("cannot bring the network interface {} up", name));
}

Result<void> Netlink::add_address(std::string_view name, const Ipv4Prefix& address) {
  const Result<unsigned> index = index_of(name);
  if (!index) return fail(index.error());
  const Result<in_addr> binary = parse_address(address.address);
  if (!binary) return fail(binary.error());
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = static_cast<unsigned char>(address.length);
  body.ifa_index = *index;
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body);
  request.number(IFA_LOCAL, *binary);
  request.number(IFA_ADDRESS, *binary);
  return send(request, fmt::format("cannot give {} the address {}", name, address.address));
}

Result<void> Netlink::add_default_route(std::string_view gateway) {
  const Result<in_addr> binary = parse_address(gateway);
  if (!binary) return fail(binary.error());
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                  route_message(RT_TABLE_MAIN, RTN_UNICAST, RT_SCOPE_UNIVERSE, 0));
  request.number(RTA_GATEWAY, *binary);
  return send(request, fmt::format("cannot make {} the gateway", gateway));
}

Result<void> Netlink::add_local_route(const Ipv4Prefix& network) {
  const Result<unsigned> index = index_of("lo");
  if (!index) return fail(index.error());
  const Result<in_addr> binary = parse_address(network.address);
  if (!binary) return fail(binary.error());
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                  route_message(RT_TABLE_LOCAL, RTN_LOCAL, RT_SCOPE_HOST, network.length));
  request.number(RTA_DST, *binary);
  request.number<std::uint32_t>(RTA_OIF, *index);
  return send(request, fmt::format("cannot make {}/{} local", network.address, network.length));
}

}  // namespace serin::local
