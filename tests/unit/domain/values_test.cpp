#include <gtest/gtest.h>

#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/priority.hpp"

namespace ota {
namespace {

TEST(Priority, WordsAndRise) {
  for (auto priority : {Priority::security, Priority::high, Priority::normal, Priority::low})
    EXPECT_EQ(parse_priority(to_string(priority)), priority);
  EXPECT_FALSE(parse_priority("Security"));
  EXPECT_FALSE(parse_priority("urgent"));
  EXPECT_EQ(boosted(Priority::low), Priority::normal);
  EXPECT_EQ(boosted(Priority::normal), Priority::high);
  EXPECT_EQ(boosted(Priority::high), Priority::high) << "never into security";
  EXPECT_EQ(boosted(Priority::security), Priority::security);
}

TEST(Messages, ASecretThatADeviceMayChoose) {
  for (const auto& fit :
       {std::string(16, 'x'), std::string(128, '~'), std::string("!\"#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}")})
    EXPECT_TRUE(fit_secret(fit)) << fit;
  const std::string x(16, 'x');
  for (const auto& unfit : {std::string(), std::string(15, 'x'), std::string(129, 'x'), x + " " + x, x + "\n",
                            x + "\x7f", x + std::string(1, '\0'), x + "\xc3\xa4"})
    EXPECT_FALSE(fit_secret(unfit)) << unfit;
}

TEST(Messages, ANameOfATimeZone) {
  for (const auto* fit :
       {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "America/Port-au-Prince"})
    EXPECT_TRUE(fit_timezone(fit)) << fit;
  EXPECT_TRUE(fit_timezone(std::string(64, 'z')));
  for (const auto& unfit : {std::string(), std::string(65, 'z'), std::string("a b"), std::string("../x"),
                            std::string("\xc3\xa4"), std::string("U\0C", 3)})
    EXPECT_FALSE(fit_timezone(unfit)) << unfit;
}

TEST(Messages, AnAttribute) {
  const std::string longest(128, 'x');
  EXPECT_TRUE(fit_attribute(longest, longest));
  EXPECT_TRUE(fit_attribute("hw rev=\xc3\xa4", "a\nb"));
  EXPECT_TRUE(fit_attribute("k", ""));
  EXPECT_FALSE(fit_attribute("", "v"));
  EXPECT_FALSE(fit_attribute(longest + "x", "v"));
  EXPECT_FALSE(fit_attribute("k", longest + "x"));
  EXPECT_FALSE(fit_attribute("k\n", "v"));
  EXPECT_FALSE(fit_attribute("\xff", "v"));
  EXPECT_FALSE(fit_attribute("k", "\xff"));
  EXPECT_FALSE(fit_attribute("k", std::string_view("\0", 1)));
}

TEST(Messages, TheNameOfAClient) {
  EXPECT_EQ(fit_client(" rauc-hawkbit-updater/1.2 "), "rauc-hawkbit-updater/1.2");
  EXPECT_EQ(fit_client("a\r\nb\xc3\xa4\x7f"), "a??b???");
  EXPECT_EQ(fit_client(std::string(100, 'x')), std::string(64, 'x'));
  EXPECT_EQ(fit_client(""), "");
}

TEST(Messages, ANameOfAChannel) {
  for (const auto& valid : {std::string("default"), std::string("b"), std::string("x_1-2"), std::string(64, 'c')})
    EXPECT_TRUE(valid_channel(valid)) << valid;
  for (const auto& other : {std::string(), std::string(65, 'c'), std::string("Beta"), std::string("a.b"),
                            std::string("a b"), std::string("\xc3\xa4"), std::string("a\0b", 3)})
    EXPECT_FALSE(valid_channel(other)) << other;
}

TEST(Messages, WordsGoThereAndBack) {
  for (auto transport : {Transport::http, Transport::mqtt}) EXPECT_EQ(parse_transport(to_string(transport)), transport);
  for (auto state : {DeviceState::downloading, DeviceState::installing, DeviceState::rebooting, DeviceState::installed,
                     DeviceState::rolled_back, DeviceState::failed, DeviceState::postponed})
    EXPECT_EQ(parse_device_state(to_string(state)), state);
  EXPECT_FALSE(parse_transport("ftp"));
  EXPECT_FALSE(parse_device_state("sleeping"));
}

TEST(Messages, TypesAreTheTopicsLastWords) {
  EXPECT_EQ(type_of(Answer{SuccessAnswer{}}), "success");
  EXPECT_EQ(type_of(Answer{FailedAnswer{}}), "failed");
  EXPECT_EQ(type_of(Answer{QueuedAnswer{}}), "queued");
  EXPECT_EQ(type_of(Answer{UpToDateAnswer{}}), "up_to_date");
  EXPECT_EQ(type_of(Answer{CancelAnswer{}}), "cancel");
  EXPECT_EQ(type_of(Answer{ErrorAnswer{}}), "error");
  EXPECT_EQ(type_of(Answer{HoldAnswer{}}), "hold");
}

}  // namespace
}  // namespace ota
