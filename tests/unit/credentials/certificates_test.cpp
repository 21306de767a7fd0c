#include "ota/credentials/certificates.hpp"

#include <gmock/gmock.h>

namespace ota::credentials {
namespace {

using std::chrono::days;
using std::chrono::hours;
using testing::ElementsAre;

const WallTime kNow = *parse_rfc3339("2026-11-27T12:00:00Z");

Pair new_authority(days length = days{3650}) {
  const auto key = new_key();
  return {key, self_sign(key, "otad CA of gw", kNow, length)};
}

TEST(Authority, LastsAsLongAsAsked) {
  const auto authority = new_authority();
  const auto read = read_certificate(authority.certificate);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->common_name, "otad CA of gw");
  EXPECT_EQ(read->end, kNow + days{3650});
  EXPECT_TRUE(belong_together(authority));
  EXPECT_TRUE(issued_by(authority.certificate, authority.certificate));
}

TEST(Authority, LastsBeyondTheYearsThat32BitsCount) {
  for (const auto* from : {"2032-03-01T00:00:01Z", "2045-01-01T12:30:59Z"}) {
    const auto now = *parse_rfc3339(from);
    EXPECT_EQ(read_certificate(self_sign(new_key(), "ca", now, days{3650}))->end, now + days{3650}) << from;
  }
}

TEST(Issue, NamesAndAddressesOfAServer) {
  const auto authority = new_authority();
  const auto key = new_key();
  const auto made = issue(authority, key, {"gw.example", {"gw.example", "192.0.2.10", "gw", "2001:db8::1"}},
                          Purpose::server, kNow, days{730});
  ASSERT_TRUE(made) << made.error().message;
  const auto read = read_certificate(*made);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->common_name, "gw.example");
  EXPECT_THAT(read->names, ElementsAre("gw.example", "gw", "192.0.2.10", "2001:db8::1"));
  EXPECT_EQ(read->end, kNow + days{730});
  EXPECT_TRUE(belong_together({key, *made}));
  EXPECT_TRUE(issued_by(*made, authority.certificate));
}

TEST(Issue, EndsWithItsAuthority) {
  const auto made = issue(new_authority(days{100}), new_key(), {"gw-1", {}}, Purpose::client, kNow, days{3650});
  ASSERT_TRUE(made);
  EXPECT_EQ(read_certificate(*made)->end, kNow + days{100});
}

TEST(Issue, RefusesWhatDoesNotFit) {
  const auto authority = new_authority();
  const auto key = new_key();
  const auto issued = [&](const Pair& by, const Subject& subject) {
    return issue(by, key, subject, Purpose::server, kNow, days{1});
  };
  EXPECT_EQ(issued({new_key(), authority.certificate}, {"gw", {}}).error().code, Errc::malformed);
  EXPECT_EQ(issued({"", ""}, {"gw", {}}).error().code, Errc::malformed);
  EXPECT_EQ(issued(authority, {"", {}}).error().code, Errc::malformed);
  EXPECT_EQ(issued(authority, {std::string(65, 'a'), {}}).error().code, Errc::malformed);
  // Nobody can smuggle in a second name.
  for (const auto* name : {"a,DNS:b", "a b", "gw:8080", "", "fe80::1%eth0"})
    EXPECT_EQ(issued(authority, {"gw", {name}}).error().code, Errc::malformed) << name;
  EXPECT_EQ(issue(authority, "no key", {"gw", {}}, Purpose::server, kNow, days{1}).error().code, Errc::malformed);
}

TEST(Certificate, OfAnotherAuthorityOrKeyIsTold) {
  const auto authority = new_authority();
  const auto made = issue(authority, new_key(), {"gw", {}}, Purpose::server, kNow, days{1});
  ASSERT_TRUE(made);
  EXPECT_FALSE(issued_by(*made, new_authority().certificate));
  EXPECT_FALSE(belong_together({new_key(), *made}));
  EXPECT_FALSE(belong_together({"", ""}));
  EXPECT_FALSE(issued_by("", authority.certificate));
  EXPECT_EQ(read_certificate("nothing").error().code, Errc::malformed);
}

}  // namespace
}  // namespace ota::credentials
