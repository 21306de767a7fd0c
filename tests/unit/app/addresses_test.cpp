#include "app/addresses.hpp"

#include <gmock/gmock.h>

namespace ota::app {
namespace {

using testing::HasSubstr;

std::string doubt(const std::string& listen, const std::string& setting, const std::string& url) {
  HttpSettings settings;
  settings.listen = listen;
  settings.public_url = setting;
  return doubt_of_public_url(settings, url).value_or("");
}

TEST(PublicUrl, OfLoopbackIsDoubtedWhereOthersMayConnect) {
  for (const std::string url :
       {"http://127.0.0.1:8080", "https://localhost", "http://127.9.9.9/ota", "http://[::1]:8080"}) {
    EXPECT_THAT(doubt("0.0.0.0:8080", url, url),
                HasSubstr("from " + url + ", which is reachable from this machine only"));
    EXPECT_EQ(doubt("127.0.0.1:8080", url, url), "") << "as the listener is";
    EXPECT_EQ(doubt("localhost:8080", url, url), "");
  }
}

TEST(PublicUrl, OfThisMachinesBareNameIsDoubted) {
  EXPECT_THAT(doubt("0.0.0.0:8080", "", "http://gw:8080"),
              HasSubstr("unable to resolve the name gw: set http.public_url"));
  EXPECT_EQ(doubt("0.0.0.0:8080", "http://gw:8080", "http://gw:8080"), "") << "the operator chose it";
  for (const std::string url : {"http://gw.example:8080", "http://192.0.2.1:8080", "http://[2001:db8::1]:8080"})
    EXPECT_EQ(doubt("0.0.0.0:8080", "", url), "") << url;
}

}  // namespace
}  // namespace ota::app
