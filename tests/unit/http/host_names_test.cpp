#include "ota/http/host_names.hpp"

#include <gtest/gtest.h>

namespace ota::http {
namespace {

TEST(HostNames, LoopbackIsAlwaysAmongThem) {
  const HostNames names;
  for (const auto* own :
       {"localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(names.has(own)) << own;
  for (const auto* other : {"evil.example", "localhost.evil.example", "xlocalhost", "local", "128.0.0.1", "0.0.0.0",
                            "::", "127.evil.example", "127.0.0.1.evil.example", "2130706433", "10.0.0.5", ""})
    EXPECT_FALSE(names.has(other)) << other;
  EXPECT_FALSE(names.configured("localhost"));
}

TEST(HostNames, NamesOfTheSettingsAndOfTheMachine) {
  HostNames::Options options;
  options.own = {"gw-1", "10.0.0.5", ""};
  options.configured = {"OTA.example", "FD00:0::5"};
  const HostNames names(std::move(options));
  for (const auto* own : {"gw-1", "GW-1", "10.0.0.5", "ota.example", "fd00::5", "fd00:0:0::5", "::ffff:10.0.0.5"})
    EXPECT_TRUE(names.has(own)) << own;
  for (const auto* other : {"gw-11", "gw", "10.0.0.6", "example", "a.ota.example", ""})
    EXPECT_FALSE(names.has(other)) << other;
  EXPECT_TRUE(names.configured("ota.Example"));
  EXPECT_TRUE(names.configured("fd00:0:0::5"));
  EXPECT_FALSE(names.configured("gw-1"));
}

TEST(HostNames, AddressesThatComeLaterAreFound) {
  int looked = 0;
  std::vector<std::string> addresses{"192.0.2.1"};
  HostNames::Options options;
  options.changing = [&] { return ++looked, addresses; };
  options.look_again = std::chrono::milliseconds(0);
  const HostNames names(std::move(options));
  EXPECT_TRUE(names.has("192.0.2.1"));
  EXPECT_FALSE(names.has("evil.example"));
  EXPECT_EQ(looked, 1) << "names are no addresses";
  EXPECT_FALSE(names.has("192.0.2.2"));
  EXPECT_EQ(looked, 2);
  addresses = {"192.0.2.2"};
  EXPECT_TRUE(names.has("192.0.2.2"));
  EXPECT_TRUE(names.has("192.0.2.2"));
  EXPECT_EQ(looked, 3) << "kept";
}

TEST(HostNames, ManyUnknownAddressesCostOneLook) {
  int looked = 0;
  HostNames::Options options;
  options.changing = [&] { return ++looked, std::vector<std::string>(); };
  options.look_again = std::chrono::hours(1);
  const HostNames names(std::move(options));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(names.has("192.0.2." + std::to_string(i)));
  EXPECT_EQ(looked, 1);
}

TEST(HostNames, AddressesOfThisMachine) {
  const auto addresses = local_addresses();
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), "127.0.0.1"), addresses.end());
  HostNames::Options options;
  options.changing = local_addresses;
  const HostNames names(std::move(options));
  for (const auto& address : addresses) EXPECT_TRUE(names.has(address)) << address;
  EXPECT_FALSE(names.has("192.0.2.77"));
}

}  // namespace
}  // namespace ota::http
