#include "mqtt/address.hpp"

#include <gtest/gtest.h>

namespace ota::mqtt {
namespace {

TEST(BrokerAddress, ReadsSchemesHostsAndPorts) {
  struct Case {
    const char* url;
    bool tls;
    const char* host;
    int port;
  };
  for (const auto& wanted : {Case{"tcp://gw:1884", false, "gw", 1884}, Case{"tcp://gw", false, "gw", 1883},
                             Case{"mqtt://10.0.0.1", false, "10.0.0.1", 1883}, Case{"ssl://gw", true, "gw", 8883},
                             Case{"mqtts://gw:1/", true, "gw", 1}, Case{"tcp://[::1]:1885", false, "::1", 1885},
                             Case{"ssl://[fe80::1]", true, "fe80::1", 8883}}) {
    auto address = parse_address(wanted.url);
    ASSERT_TRUE(address) << wanted.url;
    EXPECT_EQ(address->tls, wanted.tls) << wanted.url;
    EXPECT_EQ(address->host, wanted.host);
    EXPECT_EQ(address->port, wanted.port);
  }
}

TEST(BrokerAddress, RefusesWhatIsNone) {
  for (const auto* url :
       {"", "gw:1883", "http://gw", "tcp://", "tcp://:1883", "tcp://gw:", "tcp://gw:0", "tcp://gw:65536",
        "tcp://gw:18x", "tcp://[::1", "tcp://[::1]1883", "tcp://gw/path", "tcp://a:b:1"}) {
    EXPECT_FALSE(parse_address(url)) << url;
  }
}

TEST(BrokerAddress, SaysWhyItCannotBeReached) {
  auto text = why_unreachable({false, "no-such-host.invalid", 1883}, std::chrono::milliseconds(500));
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("cannot resolve"), std::string::npos) << *text;
}

}  // namespace
}  // namespace ota::mqtt
