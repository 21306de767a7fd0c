#include "ota/setup/journal.hpp"

#include <gmock/gmock.h>

#include "ota/setup/operator.hpp"
#include "unit/setup/machine_double.hpp"

namespace ota::setup {
namespace {

using testing::Contains;
using testing::HasSubstr;

const auto kSilent = [](const std::string&) {};

void set_up(const Machine& machine, Journal& journal) {
  const auto plan = plan_setup(machine, {});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(journal.begin());
  const auto done = apply(machine, *plan, &journal, kSilent);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE(journal.end());
}

TEST(Journal, UndoRestoresEveryByte) {
  const MachineDouble gw;
  gw.write("/etc/mosquitto/conf.d/otad.conf", "# an own one\n");
  std::filesystem::permissions(gw.machine.at("/etc/mosquitto/conf.d/otad.conf"), std::filesystem::perms{0640});
  const auto before = gw.everything();
  {
    auto journal = Journal::open(gw.machine);
    ASSERT_TRUE(journal);
    EXPECT_TRUE(journal->empty());
    set_up(gw.machine, *journal);
  }
  EXPECT_NE(gw.everything(), before);
  auto journal = Journal::open(gw.machine);
  ASSERT_TRUE(journal);
  EXPECT_THAT(journal->describe(), Contains("restore /etc/mosquitto/conf.d/otad.conf"));
  EXPECT_THAT(journal->describe(), Contains("remove  /etc/otad/tls/ca.key"));
  std::vector<std::string> told;
  const auto undone = journal->undo([&](const std::string& line) { told.push_back(line); });
  ASSERT_TRUE(undone) << undone.error().message;
  EXPECT_THAT(told, Contains("removed  /etc/otad/tls/ca.key"));
  EXPECT_EQ(gw.everything(), before);
}

TEST(Journal, KeepsWhatWasBeforeTheFirstOfSeveralRuns) {
  const MachineDouble gw;
  const auto before = gw.everything();
  for (int run = 0; run < 3; ++run) {
    auto journal = Journal::open(gw.machine);
    ASSERT_TRUE(journal);
    set_up(gw.machine, *journal);
    gw.write(kSettingsFile, gw.read(kSettingsFile) + "# run\n");
  }
  auto journal = Journal::open(gw.machine);
  ASSERT_TRUE(journal && journal->undo(kSilent));
  EXPECT_EQ(gw.everything(), before);
}

TEST(Journal, ARunThatWasCutOffIsCompletedOrUndone) {
  const auto steps = plan_setup(MachineDouble().machine, {})->changes.size();
  for (std::size_t cut = 0; cut <= steps; ++cut) {
    for (const bool completed : {true, false}) {
      const MachineDouble gw;
      const auto before = gw.everything();
      auto plan = plan_setup(gw.machine, {});
      ASSERT_TRUE(plan);
      {
        auto journal = Journal::open(gw.machine);
        std::vector<std::string> paths;
        for (const auto& change : plan->changes) paths.push_back(change.file.path);
        ASSERT_TRUE(journal && journal->begin() && journal->keep(paths));
        // What is half written has another name.
        if (cut < steps) gw.write(plan->changes[cut].file.path + ".new", "hal");
        plan->changes.resize(cut);
        ASSERT_TRUE(apply(gw.machine, *plan, &*journal, kSilent));
      }
      auto journal = Journal::open(gw.machine);
      ASSERT_TRUE(journal);
      EXPECT_TRUE(journal->pending());
      if (completed) {
        set_up(gw.machine, *journal);
        EXPECT_FALSE(journal->pending());
        EXPECT_TRUE(plan_setup(gw.machine, {})->changes.empty());
      }
      ASSERT_TRUE(journal->undo(kSilent));
      EXPECT_EQ(gw.everything(), before) << cut;
    }
  }
}

TEST(Journal, UndoThatWasCutOffIsRepeated) {
  const MachineDouble gw;
  const auto before = gw.everything();
  auto journal = Journal::open(gw.machine);
  ASSERT_TRUE(journal);
  set_up(gw.machine, *journal);
  std::size_t seen = 0;
  EXPECT_THROW((void)journal->undo([&](const std::string&) {
    if (++seen == 4) throw std::runtime_error("killed");
  }),
               std::runtime_error);
  ASSERT_TRUE(journal->undo(kSilent));
  EXPECT_EQ(gw.everything(), before);
}

TEST(Journal, IsUsedByOneAtATime) {
  const MachineDouble gw;
  const auto journal = Journal::open(gw.machine);
  ASSERT_TRUE(journal);
  EXPECT_EQ(Journal::open(gw.machine).error().code, Errc::wrong_state);
}

TEST(Journal, ThatIsBrokenIsNamed) {
  const MachineDouble gw;
  gw.write("/var/lib/otad-setup/journal.toml", "pending = ");
  const auto journal = Journal::open(gw.machine);
  ASSERT_FALSE(journal);
  EXPECT_THAT(journal.error().message, HasSubstr("journal.toml"));
}

TEST(Journal, RemembersTheKey) {
  const MachineDouble gw;
  {
    auto journal = Journal::open(gw.machine);
    ASSERT_TRUE(journal && journal->note_key("me@otactl"));
  }
  const auto journal = Journal::open(gw.machine);
  ASSERT_TRUE(journal);
  EXPECT_EQ(journal->key(), "me@otactl");
  EXPECT_FALSE(journal->empty());
}

TEST(Operator, HasAContextOnceOtactlKeepsIt) {
  const MachineDouble gw;
  const auto me = find_user(gw.machine, "me");
  ASSERT_TRUE(me);
  EXPECT_EQ(find_user(gw.machine, "nobody").error().code, Errc::not_found);
  const auto context = operator_context(gw.machine, *me, "https://localhost:8080");
  EXPECT_EQ(context.name, "gw");
  EXPECT_FALSE(has_context(gw.machine, context));
  gw.write("/home/me/.config/otactl/gw.key", "otad_x\n");
  const auto write = [&](const std::string& url) {
    gw.write("/home/me/.config/otactl/config.toml",
             fmt::format("[contexts.gw]\nurl = '{}'\nkey_file = '{}'\nca_file = '{}'\n", url,
                         gw.machine.at("/home/me/.config/otactl/gw.key").string(), context.ca_file));
  };
  write("https://localhost:8080");
  EXPECT_TRUE(has_context(gw.machine, context));
  write("https://localhost:8081");
  EXPECT_FALSE(has_context(gw.machine, context));
}

}  // namespace
}  // namespace ota::setup
