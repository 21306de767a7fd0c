#include "ota/setup/plan.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "ota/base/certificate_end.hpp"
#include "ota/credentials/certificates.hpp"
#include "ota/credentials/secrets.hpp"
#include "ota/setup/journal.hpp"
#include "unit/setup/machine_double.hpp"

namespace ota::setup {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

void make(const Machine& machine, const Plan& plan) {
  const auto made = apply(machine, plan, nullptr, [](const std::string&) {});
  ASSERT_TRUE(made) << made.error().message;
}

Plan planned(const Machine& machine, const Answers& answers = {}) {
  auto plan = plan_setup(machine, answers);
  if (!plan) throw std::runtime_error(plan.error().message);
  return std::move(*plan);
}

std::vector<std::string> paths_of(const Plan& plan) {
  std::vector<std::string> paths;
  for (const auto& change : plan.changes) paths.push_back(change.file.path);
  return paths;
}

credentials::Certificate server_certificate(const MachineDouble& gw) {
  return *credentials::read_certificate(gw.read("/etc/otad/tls/server.crt"));
}

TEST(Plan, TakesNamesAndAddressesOfTheMachine) {
  const MachineDouble gw;
  const auto plan = planned(gw.machine);
  EXPECT_EQ(plan.name, "gw.example");
  EXPECT_THAT(plan.names, ElementsAre("gw", "gw.local", "192.0.2.10"));
  EXPECT_EQ(plan.operators_url, "https://localhost:8080");
  make(gw.machine, plan);
  EXPECT_THAT(server_certificate(gw).names, UnorderedElementsAre("gw.example", "gw", "gw.local", "192.0.2.10",
                                                                 "localhost", "127.0.0.1", "::1"));
}

TEST(Plan, PrefersAnAddressToANameWithoutDomain) {
  MachineDouble gw;
  gw.machine.host = "gw";
  EXPECT_EQ(planned(gw.machine).name, "192.0.2.10");
  gw.machine.addresses.clear();
  EXPECT_EQ(planned(gw.machine).name, "gw");
  gw.machine.host.clear();
  EXPECT_EQ(plan_setup(gw.machine, {}).error().code, Errc::malformed);
}

TEST(Plan, SecondRunHasNothingToDo) {
  const MachineDouble gw;
  make(gw.machine, planned(gw.machine, {"a.example", {"10.0.0.1", "2001:DB8::1"}, {}}));
  EXPECT_THAT(paths_of(planned(gw.machine)), IsEmpty()) << "what an earlier answer said is in the settings";
  EXPECT_THAT(paths_of(planned(gw.machine, {"a.example", {"10.0.0.1", "2001:DB8::1"}, {}})), IsEmpty());
}

TEST(Plan, AnotherNameChangesCertificateAndSettingsAlone) {
  const MachineDouble gw;
  make(gw.machine, planned(gw.machine));
  const auto plan = planned(gw.machine, {"b.example", {}, {}});
  EXPECT_THAT(paths_of(plan), ElementsAre("/etc/otad/tls/server.crt", "/etc/mosquitto/certs/otad.crt", kSettingsFile));
  make(gw.machine, plan);
  EXPECT_THAT(gw.read(kSettingsFile), HasSubstr("public_url = \"https://b.example:8080\""));
}

TEST(Plan, WritesSettingsThatLoad) {
  const MachineDouble gw;
  make(gw.machine, planned(gw.machine));
  EXPECT_THAT(gw.read(kSettingsFile), AllOf(HasSubstr("# ours\n"), HasSubstr("listen = \"0.0.0.0:8080\"")));
  const auto settings = settings_of(gw.machine);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->mqtt.url, "tcp://127.0.0.1:1883");
  EXPECT_EQ(settings->mqtt.username, "otad");
  EXPECT_EQ(settings->http.public_url, "https://gw.example:8080");
  EXPECT_THAT(settings->http.hosts, ElementsAre("gw", "gw.local", "192.0.2.10"));
  const auto password = gw.read(settings->mqtt.password_file);
  EXPECT_TRUE(credentials::matches(gw.read(kPasswords).substr(0, gw.read(kPasswords).find('\n')), "otad",
                                   password.substr(0, password.find('\n'))));
}

TEST(Plan, KeysAndPasswordsAreNobodyElses) {
  const MachineDouble gw;
  const auto plan = planned(gw.machine);
  make(gw.machine, plan);
  for (const auto* path : {kAuthorityKey, "/etc/otad/tls/server.key", "/etc/otad/mqtt.password", kPasswords,
                           "/etc/mosquitto/certs/otad.key"}) {
    EXPECT_EQ(std::filesystem::status(gw.machine.at(path)).permissions(), std::filesystem::perms{0600}) << path;
    for (const auto& change : plan.changes)
      if (change.file.path == path) {
        EXPECT_THAT(change.shown, HasSubstr("not shown")) << path;
        EXPECT_THAT(change.shown, Not(HasSubstr(change.file.content)));
      }
  }
}

TEST(Plan, AModeThatSomebodyChangedIsSetAgain) {
  const MachineDouble gw;
  make(gw.machine, planned(gw.machine));
  std::filesystem::permissions(gw.machine.at(kAuthorityKey), std::filesystem::perms{0644});
  EXPECT_THAT(paths_of(planned(gw.machine)), ElementsAre(kAuthorityKey));
}

TEST(Plan, PasswordsOfOthersStay) {
  const MachineDouble gw;
  gw.write(kPasswords, "gw-1:$7$101$a$b\notad:$7$101$c$d\ngw-2:$7$101$e$f\n");
  make(gw.machine, planned(gw.machine));
  EXPECT_THAT(gw.read(kPasswords), testing::StartsWith("gw-1:$7$101$a$b\ngw-2:$7$101$e$f\notad:$7$101$"));
}

TEST(Plan, TheAccessListHasTheTopicRoot) {
  const MachineDouble gw;
  gw.write(kSettingsFile, "[mqtt]\ntopic_root = \"/fleet\"\n");
  make(gw.machine, planned(gw.machine));
  EXPECT_THAT(gw.read("/etc/mosquitto/otad.acl"), AllOf(HasSubstr("topic read /fleet/+/request"), Not(HasSubstr("/ota/"))));
}

TEST(Plan, RefusesAMachineThatIsNotReady) {
  const MachineDouble gw;
  gw.write("/etc/passwd", "otad:x:1:1::/:/bin/sh\n");
  const auto plan = plan_setup(gw.machine, {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Errc::not_found);
  EXPECT_THAT(plan.error().message, HasSubstr("install the package mosquitto"));
}

TEST(Plan, RefusesWhatItWouldOverrule) {
  for (const auto* text : {"[mqtt]\nurl = \"tcp://broker.example:1883\"\n", "[http]\ntls_cert = \"/my.crt\"\ntls_key = \"/my.key\"\n",
                           "[mqtt]\nusername = \"me\"\npassword_file = \"/my.password\"\n"}) {
    const MachineDouble gw;
    gw.write(kSettingsFile, text);
    EXPECT_EQ(plan_setup(gw.machine, {}).error().code, Errc::wrong_state) << text;
  }
  for (const auto* text : {"listener 1883\n", "  allow_anonymous true\n", "password_file /x\n", "port 1883\r\n"}) {
    const MachineDouble gw;
    gw.write("/etc/mosquitto/conf.d/local.conf", text);
    const auto plan = plan_setup(gw.machine, {});
    ASSERT_FALSE(plan) << text;
    EXPECT_EQ(plan.error().code, Errc::wrong_state);
    EXPECT_THAT(plan.error().message, HasSubstr("/etc/mosquitto/conf.d/local.conf"));
  }
  const MachineDouble gw;
  gw.write("/etc/mosquitto/conf.d/local.conf", "# listener 1883\nlog_type all\n");
  EXPECT_TRUE(plan_setup(gw.machine, {}));
}

TEST(Plan, RefusesAnAuthorityWithoutItsKey) {
  const MachineDouble gw;
  make(gw.machine, planned(gw.machine));
  gw.write(kAuthorityKey, credentials::new_key());
  EXPECT_EQ(plan_setup(gw.machine, {}).error().code, Errc::malformed);
  std::filesystem::remove(gw.machine.at(kAuthorityKey));
  EXPECT_EQ(plan_setup(gw.machine, {}).error().code, Errc::not_found);
  EXPECT_EQ(plan_renewal(gw.machine).error().code, Errc::not_found);
}

TEST(Plan, RefusesSettingsThatDoNotLoad) {
  const MachineDouble gw;
  gw.write(kSettingsFile, "[mqtt]\nulr = \"x\"\n");
  EXPECT_EQ(plan_setup(gw.machine, {}).error().code, Errc::malformed);
}

TEST(Renewal, OnlyWithinThirtyDaysOfTheEnd) {
  MachineDouble gw;
  EXPECT_EQ(plan_renewal(gw.machine).error().code, Errc::not_found);
  make(gw.machine, planned(gw.machine));
  const auto end = server_certificate(gw).end;
  const auto authority = gw.read(kAuthority);
  const auto key = gw.read("/etc/otad/tls/server.key");
  gw.machine.now = end - kCertificateEndsSoon;
  EXPECT_THAT(paths_of(*plan_renewal(gw.machine)), IsEmpty());
  gw.machine.now = end - kCertificateEndsSoon + std::chrono::seconds(1);
  const auto plan = plan_renewal(gw.machine);
  ASSERT_TRUE(plan);
  EXPECT_THAT(paths_of(*plan), ElementsAre("/etc/otad/tls/server.crt", "/etc/mosquitto/certs/otad.crt"));
  make(gw.machine, *plan);
  EXPECT_EQ(server_certificate(gw).end, std::chrono::floor<std::chrono::seconds>(gw.machine.now) + std::chrono::days{730});
  EXPECT_EQ(gw.read("/etc/mosquitto/certs/otad.crt"), gw.read("/etc/otad/tls/server.crt"));
  EXPECT_TRUE(credentials::issued_by(gw.read("/etc/otad/tls/server.crt"), authority));
  EXPECT_TRUE(credentials::belong_together({key, gw.read("/etc/otad/tls/server.crt")}));
}

TEST(Renewal, CompletesOneThatWasInterrupted) {
  MachineDouble gw;
  make(gw.machine, planned(gw.machine));
  gw.machine.now = server_certificate(gw).end - std::chrono::days{1};
  auto plan = plan_renewal(gw.machine);
  ASSERT_TRUE(plan);
  plan->changes.pop_back();
  make(gw.machine, *plan);
  EXPECT_THAT(paths_of(*plan_renewal(gw.machine)), ElementsAre("/etc/mosquitto/certs/otad.crt"));
}

TEST(Passwords, ReplaceTheLinesOfTheirUsers) {
  const MachineDouble gw;
  EXPECT_EQ(plan_passwords(gw.machine, {"gw-1:x"}).error().code, Errc::not_found);
  gw.write(kPasswords, "otad:o\ngw-1:old\ngw-2:b\n");
  const auto plan = plan_passwords(gw.machine, {"gw-1:new", "gw-2:b", "gw-3:c"});
  ASSERT_TRUE(plan);
  make(gw.machine, *plan);
  EXPECT_EQ(gw.read(kPasswords), "otad:o\ngw-2:b\ngw-1:new\ngw-3:c\n");
  EXPECT_THAT(plan_passwords(gw.machine, {"gw-1:new", "gw-3:c"})->changes, IsEmpty());
}

}  // namespace
}  // namespace ota::setup
