#include "events/address_rules.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ota::events {
namespace {

struct Block4 {
  std::uint32_t base;
  int bits;
};

constexpr std::uint32_t ip(unsigned a, unsigned b, unsigned c, unsigned d) { return a << 24 | b << 16 | c << 8 | d; }

constexpr Block4 kInside4[] = {
    {ip(0, 0, 0, 0), 8},      {ip(10, 0, 0, 0), 8},     {ip(100, 64, 0, 0), 10},  {ip(127, 0, 0, 0), 8},
    {ip(169, 254, 0, 0), 16}, {ip(172, 16, 0, 0), 12},  {ip(192, 0, 0, 0), 24},   {ip(192, 0, 2, 0), 24},
    {ip(192, 88, 99, 0), 24}, {ip(192, 168, 0, 0), 16}, {ip(198, 18, 0, 0), 15},  {ip(198, 51, 100, 0), 24},
    {ip(203, 0, 113, 0), 24}, {ip(224, 0, 0, 0), 3},
};

bool is_public4(std::uint32_t address) {
  return std::none_of(std::begin(kInside4), std::end(kInside4), [address](const Block4& block) {
    return (address ^ block.base) >> (32 - block.bits) == 0;
  });
}

using Bytes16 = std::array<std::uint8_t, 16>;

bool begins(const Bytes16& bytes, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

std::uint32_t ip_at(const Bytes16& bytes, std::size_t at) {
  return ip(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool is_public6(const Bytes16& bytes) {
  if (begins(bytes, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public4(ip_at(bytes, 12));
  if (begins(bytes, {0x20, 0x02})) return is_public4(ip_at(bytes, 2));
  const bool mapped = begins(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
  if (mapped) return is_public4(ip_at(bytes, 12));
  const bool global = (bytes[0] & 0xe0) == 0x20;  // 2000::/3
  const bool special = begins(bytes, {0x20, 0x01, 0x00, 0x00}) ||            // Teredo
                       begins(bytes, {0x20, 0x01, 0x0d, 0xb8}) ||            // documentation
                       begins(bytes, {0x20, 0x01, 0x00, 0x02, 0x00, 0x00});  // benchmarks
  return global && !special;
}

}  // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return is_public4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  Bytes16 bytes{};
  std::memcpy(bytes.data(), v6.sin6_addr.s6_addr, bytes.size());
  return is_public6(bytes);
}

std::string address_text(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = address.sa_family == AF_INET;
  const auto* bytes = reinterpret_cast<const char*>(&address);
  const void* at = bytes + (v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr));
  if (!v4 && address.sa_family != AF_INET6) return "an address of an unknown kind";
  return ::inet_ntop(address.sa_family, at, text, sizeof text) ? text : "";
}

}  // namespace ota::events
