// What a broken-into server or broker may try (the Uptane standard's list), seen from the device: arbitrary software,
// rollback, mix-and-match, endless data.
#include "agent_fixture.hpp"
#include "vendor.hpp"

namespace ota::agent {
namespace {

class Uptane : public Agent {
 protected:
  Uptane() { firmware_.hardware = "gw-a"; }

  // With the vendor's key trusted.
  std::vector<std::string> words(std::vector<std::string> more = {}) const {
    auto result = staying({"--once", "--hardware", "gw-a", "--trusted-key", vendor_.public_key()});
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  int once(std::vector<std::string> more) {
    AgentProcess agent(dir_, words(std::move(more)));
    return agent.wait();
  }
  void offer(const std::string& version) {
    firmware_.version = version;
    firmware_.task = "OTA_20261122_" + fmt::format("{:06}", ++tasks_);
    firmware_.signature = vendor_.signature(firmware_);
    server_.offer(firmware_);
  }
  Json last() { return server_.heard("progress").empty() ? Json::object() : server_.heard("progress").back(); }
  void expect_refused(const std::string& word) {
    EXPECT_EQ(last().value("state", ""), "failed");
    EXPECT_NE(last().value("reason", "").find(word), std::string::npos) << last();
    EXPECT_EQ(server_.served(firmware_.task).size(), 0u) << "refused before a byte was fetched";
    EXPECT_EQ(parts(), 0) << "or reserved";
  }
  int parts() const {
    int count = 0;
    for (const auto& file : std::filesystem::directory_iterator(dir_ / "gw"))
      count += file.path().extension() == ".part";
    return count;
  }

  Vendor vendor_{dir_, "vendor"};
  int tasks_ = 0;
};

TEST_F(Uptane, ArbitrarySoftwareIsRefusedWhenItIsOffered) {
  Vendor stranger(dir_, "stranger");
  offer("2.0.0");
  for (const auto& signature :
       {Json(), stranger.signature(firmware_), Json{{"algorithm", "none"}},
        Json{{"algorithm", "ed25519"}, {"key_id", "vendor"}, {"value", std::string(86, 'A')}}}) {
    firmware_.signature = signature;
    server_.offer(firmware_);
    EXPECT_EQ(once({"--current-version", "1.0.0"}), 3) << signature;
    expect_refused("sign");
  }
}

TEST_F(Uptane, AnyOfSeveralKeysMaySign) {
  Vendor next(dir_, "vendor-2027");
  offer("2.0.0");
  firmware_.signature = next.signature(firmware_);
  server_.offer(firmware_);
  EXPECT_EQ(once({}), 3) << "not trusted yet";
  EXPECT_EQ(once({"--trusted-key", next.public_key()}), 0);
}

TEST_F(Uptane, AKeptImageOutlivesWhatMayNotReplaceIt) {
  offer("2.0.0");
  ASSERT_EQ(once({}), 0);
  const auto good = content(image("2.0.0"));
  firmware_.image = bytes(9'500, 7);
  firmware_.task = "OTA_20261122_000090";
  server_.offer(firmware_);  // under the running version, with the other image's signature
  EXPECT_EQ(once({}), 3);
  expect_refused("does not fit");
  EXPECT_TRUE(content(image("2.0.0")) == good);
}

TEST_F(Uptane, SuccessBeforeTheImageIsWholeInstallsNothing) {
  offer("2.0.0");
  AgentProcess agent(dir_, words({"--rate", "4000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 3; }));
  server_.send("gw", {{"type", "success"}, {"task_id", firmware_.task}, {"version", "2.0.0"}});
  ASSERT_TRUE(eventually([&] { return agent.events("error").size() >= 1; }));
  EXPECT_FALSE(std::filesystem::exists(image("2.0.0")));
  ASSERT_EQ(agent.wait(), 0) << "and the update goes on";
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
}

TEST_F(Uptane, RollbackToASignedOldVersionIsRefused) {
  offer("2.0.0");
  ASSERT_EQ(once({}), 0);
  for (const char* version : {"1.9.9", "2.0.0-rc.1", "0.1.0"}) {
    offer(version);
    EXPECT_EQ(once({"--current-version", "0.0.1"}), 3) << "whatever it is told that it runs now";
    expect_refused("older than 2.0.0");
  }
  offer("2.0.0");
  EXPECT_EQ(once({}), 0) << "the same again is none";
  offer("1.9.9");
  EXPECT_EQ(once({"--allow-downgrade"}), 0);
  offer("1.9.8");
  EXPECT_EQ(once({}), 3) << "the highest counts, not the last";
}

TEST_F(Uptane, RollbackWithoutSignaturesIsRefusedToo) {
  firmware_.version = "1.0.0";
  server_.offer(firmware_);
  EXPECT_EQ(AgentProcess(dir_, staying({"--once", "--current-version", "2.0.0"})).wait(), 3);
  EXPECT_NE(last().value("reason", "").find("older than 2.0.0"), std::string::npos) << last();
  EXPECT_EQ(server_.served_in_all(), 0);
}

TEST_F(Uptane, ADowngradeThatTheVendorPermitsIsTaken) {
  offer("2.0.0");
  ASSERT_EQ(once({}), 0);
  Vendor stranger(dir_, "stranger");
  const auto try_with = [&](const Json& permission) {
    firmware_.downgrade = permission;
    server_.offer(firmware_);
    return once({});
  };
  offer("1.0.0");
  const std::string later = "2099-01-01T00:00:00Z";
  EXPECT_EQ(try_with(stranger.permission(firmware_, "*", later)), 3) << "by another key";
  EXPECT_EQ(try_with(vendor_.permission(firmware_, "gw-2", later)), 3) << "for another device";
  EXPECT_EQ(try_with(vendor_.permission(firmware_, "gw", "2020-01-01T00:00:00Z")), 3) << "expired";
  auto other = firmware_;
  other.version = "0.9.0";
  EXPECT_EQ(try_with(vendor_.permission(other, "*", later)), 3) << "for another version";
  expect_refused("downgrade permission");
  EXPECT_EQ(try_with(vendor_.permission(firmware_, "gw", later)), 0);
  offer("0.9.0");
  EXPECT_EQ(try_with(vendor_.permission(firmware_, "*", later)), 0) << "for every device";
}

TEST_F(Uptane, MixAndMatchFirmwareForOtherHardwareIsRefused) {
  firmware_.hardware = "gw-z";
  offer("2.0.0");
  EXPECT_EQ(once({}), 3);
  expect_refused("firmware for gw-z on a gw-a");
  EXPECT_EQ(AgentProcess(dir_, staying({"--trusted-key", vendor_.public_key()})).wait(), 2)
      << "which it can't tell without knowing its own";
}

TEST_F(Uptane, EndlessDataIsRefusedBeforeAnythingIsReserved) {
  offer("2.0.0");
  auto huge = server_.metadata(firmware_);
  huge.erase("chunks");
  huge.erase("missing");
  huge["size"] = std::uint64_t{60'000} << 24;  // nearly a TiB
  huge["chunk_bytes"] = 1 << 24;
  huge["chunk_count"] = 60'000;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json&) {
    if (what == "request") server_.send(device, huge);
  };
  EXPECT_EQ(once({}), 3);
  expect_refused("does not fit the image");
  if (std::filesystem::space(dir_).available >= huge["size"]) GTEST_SKIP() << "this disk has room for it";
  EXPECT_EQ(run({"--hardware", "gw-a"}), 3) << "nor where no signature is asked for";
  expect_refused("disk_full: the image has 1006632960000 bytes");
}

TEST_F(Uptane, AnEvilOfferDisturbsNoGoodUpdate) {
  offer("2.0.0");
  AgentProcess agent(dir_, words({"--rate", "5000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 2; }));
  auto evil = firmware_;
  evil.signature = Json();
  server_.send("gw", server_.metadata(evil));  // the same task
  server_.send("gw", server_.retry(evil, 2, {{0, 9}}, "checksum_mismatch"));
  evil.task = "OTA_20261122_000099";
  server_.send("gw", server_.metadata(evil));  // another
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Uptane, AnotherGridForTheSameTaskVoidsWhatWasKnown) {
  offer("2.0.0");
  std::atomic<bool> broken = true;
  server_.on_chunk = [&](const Firmware&, std::size_t) {
    return broken ? std::optional(Answer{404, "", ""}) : std::nullopt;
  };
  AgentProcess agent(dir_, words());
  ASSERT_TRUE(eventually([&] { return agent.events("error").size() >= 1; }));
  auto finer = firmware_;
  finer.chunk_bytes = 512;
  broken = false;
  server_.offer(finer);  // 19 chunks, after 10
  server_.send("gw", server_.metadata(finer));
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  for (const auto& progress : server_.heard("progress")) {
    if (!progress.contains("chunks")) continue;
    for (const auto& range : progress["chunks"]) {
      EXPECT_LT(range[1].get<std::size_t>(), finer.count());
      EXPECT_EQ(progress["status"], "ok");
    }
  }
}

TEST_F(Uptane, AHugeGridAfterASmallOneClaimsNoChunks) {
  firmware_.image = bytes(32'768, 3);
  firmware_.chunk_bytes = 512;
  firmware_.hardware.clear();
  server_.offer(firmware_);
  server_.on_chunk = [](const Firmware&, std::size_t) { return Answer{404, "", ""}; };
  AgentProcess agent(dir_, staying({}));
  ASSERT_TRUE(eventually([&] { return agent.events("error").size() >= 1; }));
  auto huge = server_.metadata(firmware_);
  huge.erase("chunks");
  huge["size"] = 33'554'432;
  huge["chunk_count"] = 65'536;
  huge["missing"] = {{0, 65'535}};
  server_.send("gw", huge);
  server_.send("gw", {{"type", "success"}, {"task_id", firmware_.task}, {"version", "2.0.0"}});  // the one behind it
  ASSERT_TRUE(eventually([&] {
    return std::ranges::any_of(agent.events("error"), [](const Json& event) {
      return event.value("detail", "").find("success arrived") != std::string::npos;
    });
  }));
  for (const auto& progress : server_.heard("progress")) EXPECT_FALSE(progress.contains("chunks")) << progress;
}

}  // namespace
}  // namespace ota::agent
