#include "ota/http/host_names.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/address.hpp>

#include "ota/base/text.hpp"

namespace ota::http {
namespace ip = boost::asio::ip;

namespace {

/// IPv4 within IPv6 as IPv4, without a zone.
std::optional<ip::address> parse_ip(std::string_view host) {
  boost::system::error_code ec;
  const auto address = ip::make_address(std::string(host.substr(0, host.find('%'))), ec);
  if (ec) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

/// How a name is kept: an address in its one spelling.
std::string normal(std::string_view name) {
  const auto address = parse_ip(name);
  return address ? address->to_string() : std::string(name);
}

bool holds(const std::vector<std::string>& names, std::string_view host) {
  return std::any_of(names.begin(), names.end(), [host](const std::string& name) { return iequals(name, host); });
}

void add(std::vector<std::string>& names, const std::vector<std::string>& more) {
  for (const auto& name : more) {
    if (!name.empty() && !holds(names, normal(name))) names.push_back(normal(name));
  }
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

std::vector<std::string> local_addresses() {
  std::vector<std::string> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN];
    const int family = one->ifa_addr->sa_family;
    const void* address = nullptr;
    if (family == AF_INET) address = &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    if (family == AF_INET6) address = &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    if (address != nullptr && ::inet_ntop(family, address, text, sizeof text) != nullptr) found.emplace_back(text);
  }
  return found;
}

HostNames::HostNames(Options options)
    : number_(next_number()),
      changing_(std::move(options.changing)),
      look_again_(options.look_again),
      looked_(std::chrono::steady_clock::now()) {
  add(configured_, options.configured);
  add(known_, {"localhost", "127.0.0.1", "::1"});
  add(known_, options.own);
  add(known_, configured_);
  if (changing_) add(known_, changing_());
}

bool HostNames::has(std::string_view host) const {
  if (holds(known_, host)) return true;
  const auto address = parse_ip(host);
  if (!address) return false;
  const auto text = address->to_string();
  return address->is_loopback() || holds(known_, text) || changing_has(text);
}

bool HostNames::configured(std::string_view host) const { return holds(configured_, normal(host)); }

bool HostNames::changing_has(const std::string& address) const {
  if (!changing_) return false;
  const MutexLock lock(mutex_);
  if (holds(changed_, address)) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < look_again_) return false;
  looked_ = now;
  changed_.clear();
  add(changed_, changing_());
  return holds(changed_, address);
}

}  // namespace ota::http
