// The way of an update from request to installed (docs/device-protocol.md from the device's side).
#include <set>

#include "agent_fixture.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::agent {
namespace {

TEST_F(Agent, BringsAnUpdateFromRequestToInstalled) {
  firmware_.hardware = "gw-a";
  server_.on_chunk = [](const Firmware&, std::size_t) -> std::optional<Answer> {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the round trip
    return std::nullopt;
  };
  server_.offer(firmware_);
  auto copy = dir_ / "copy";
  AgentProcess agent(dir_,
                     arguments({"--hardware", "gw-a", "--max-chunk-bytes", "1024", "--install",
                                fmt::format("cp \"$1\" {} && echo said && test $OTA_VERSION = 2.0.0", copy.string())}));
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(copy) == firmware_.image);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_), all_once());
  EXPECT_NE(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "gw" / "task.json"));

  ASSERT_FALSE(server_.heard("request").empty());
  auto request = server_.heard("request").front();
  EXPECT_EQ(request["current_version"], "1.0.0");
  EXPECT_EQ(request["hardware"], "gw-a");
  EXPECT_EQ(request["max_chunk_bytes"], 1024);
  EXPECT_FALSE(request.contains("version"));
  auto verify = server_.heard("verify").front();
  EXPECT_EQ(verify["task_id"], firmware_.task);
  EXPECT_EQ(verify["attempt"], 1);
  EXPECT_EQ(verify["checksum"], FakeServer::checksum(firmware_.image));

  std::set<int> told;
  std::vector<std::string> states;
  for (const auto& progress : server_.heard("progress")) {
    EXPECT_EQ(progress["task_id"], firmware_.task);
    if (progress.contains("state")) states.push_back(progress["state"]);
    if (!progress.contains("chunks")) continue;
    EXPECT_EQ(progress["status"], "ok");
    EXPECT_EQ(progress["transport"], "http");
    EXPECT_GE(progress.value("rtt_ms", 0.0), 5.0);
    for (const auto& range : progress["chunks"]) {
      for (int i = range[0]; i <= range[1]; ++i) told.insert(i);
    }
  }
  EXPECT_EQ(told.size(), firmware_.count());
  EXPECT_EQ(states, (std::vector<std::string>{"downloading", "installing", "installed"}));

  auto done = agent.events("installed");
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0]["from_version"], "1.0.0");
  EXPECT_EQ(done[0]["bytes_fetched"], firmware_.image.size());
  EXPECT_EQ(agent.events("metadata").size(), 1u);
  EXPECT_EQ(agent.events("success").size(), 1u);
}

TEST_F(Agent, TakesDigestsFromTheManifestWhereMetadataHasNone) {
  firmware_.inline_digests = false;
  firmware_.chunk_bytes = 512;
  firmware_.image = bytes(100'000, 2);
  server_.offer(firmware_);
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
}

TEST_F(Agent, FetchesOverMqttWhereTheServerPutsThatFirst) {
  firmware_.transports = {"mqtt", "http"};
  firmware_.inline_digests = false;  // they come with the chunks
  firmware_.image = bytes(100'100, 2);
  server_.offer(firmware_);
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(server_.served_in_all(), 0);
  const auto published = server_.published(firmware_.task);
  EXPECT_EQ(published.size(), firmware_.count());
  for (const auto& [index, times] : published) EXPECT_EQ(times, 1) << index;
  std::set<std::string> transports;
  for (const auto& progress : server_.heard("progress")) {
    if (progress.contains("chunks")) transports.insert(progress["transport"]);
  }
  EXPECT_EQ(transports, std::set<std::string>{"mqtt"});
  EXPECT_EQ(server_.heard("request").front()["transports"], (Json{"http", "mqtt"}));
  EXPECT_FALSE(
      std::filesystem::exists(dir_ / "gw" / (FakeServer::checksum(firmware_.image).substr(7) + ".part.digests")));
}

TEST_F(Agent, ChangesOverWhenToldAndFetchesNothingTwice) {
  firmware_.image = bytes(150'000, 4);
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "60000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 30; }));
  firmware_.transports = {"mqtt", "http"};
  server_.send("gw", server_.metadata(firmware_));
  ASSERT_TRUE(eventually([&] { return server_.published(firmware_.task).size() >= 60; }));
  const auto over_http = server_.served_in_all();
  firmware_.transports = {"http", "mqtt"};
  server_.send("gw", server_.metadata(firmware_));
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_GT(server_.served_in_all(), over_http) << "and back";
  int published = 0;
  for (const auto& [index, times] : server_.published(firmware_.task)) published += times;
  // But one that HTTP had begun when the order changed.
  EXPECT_LE(server_.served_in_all() + published, static_cast<int>(firmware_.count()) + 1);
  EXPECT_GE(agent.events("transport").size(), 2u);
}

TEST_F(Agent, TakesWhatComesLateOverMqttAndFetchesNoneOfItTwice) {
  firmware_.transports = {"mqtt", "http"};
  firmware_.image = bytes(40'000, 5);
  server_.offer(firmware_);
  server_.withhold_chunks();
  // The first that comes over HTTP, for MQTT was silent for too long.
  server_.on_chunk = [this](const Firmware&, std::size_t) {
    server_.let_chunks_go();
    return std::nullopt;
  };
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_GE(server_.served_in_all(), 1);
  EXPECT_GE(server_.published(firmware_.task).size(), 32u);
  auto over_both = times(firmware_);
  for (const auto& [index, count] : server_.published(firmware_.task)) over_both[index] += count;
  EXPECT_EQ(over_both, all_once());
  std::map<std::string, std::size_t> told;
  for (const auto& progress : server_.heard("progress")) {
    if (!progress.contains("chunks")) continue;
    for (const auto& range : progress["chunks"])
      told[progress["transport"]] += range[1].get<std::size_t>() - range[0].get<std::size_t>() + 1;
  }
  EXPECT_EQ(told["mqtt"], server_.published(firmware_.task).size()) << "each as it came";
  EXPECT_EQ(told["mqtt"] + told["http"], firmware_.count());
}

TEST_F(Agent, KeepsWhatItLearnedOverMqtt) {
  firmware_.transports = {"mqtt"};
  firmware_.inline_digests = false;
  firmware_.image = bytes(200'000, 3);
  server_.offer(firmware_);
  int kills = 0;
  for (std::size_t limit : {20u, 90u, 150u}) {
    AgentProcess agent(dir_, arguments({"--rate", "100000"}));
    ASSERT_TRUE(eventually([&] { return server_.published(firmware_.task).size() >= limit; }));
    agent.kill();
    ++kills;
  }
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  int published = 0;
  for (const auto& [index, times] : server_.published(firmware_.task)) published += times;
  EXPECT_LE(published, static_cast<int>(firmware_.count()) + kills * 32) << "a window each kill";
}

TEST_F(Agent, GoesOnAfterKillsWithoutFetchingGoodChunksTwice) {
  firmware_.image = bytes(200'000, 3);
  server_.offer(firmware_);
  int kills = 0;
  for (int limit : {20, 60, 61, 110}) {
    AgentProcess agent(dir_, arguments({"--rate", "100000"}));
    ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= limit; }));
    agent.kill();
    ++kills;
  }
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  // Only a chunk that was on its way at a kill may be asked for again.
  EXPECT_LE(server_.served_in_all(), static_cast<int>(firmware_.count()) + kills);
}

TEST_F(Agent, FindsOutByItselfThatBytesRottedOnDisk) {
  server_.offer(firmware_);
  {
    AgentProcess agent(dir_, arguments({"--rate", "2000"}));
    ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 4; }));
    agent.kill();
  }
  auto part = dir_ / "gw" / (FakeServer::checksum(firmware_.image).substr(7) + ".part");
  std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1'500);
  file.put(static_cast<char>(firmware_.image[1'500] + 1));
  file.close();
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_)[0], 1);
  EXPECT_EQ(times(firmware_)[1], 2);
}

TEST_F(Agent, VerifiesAgainAfterDyingBeforeTheAnswer) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  std::atomic<bool> silent = true;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what != "verify" || !silent) normally(device, what, message);
  };
  {
    AgentProcess agent(dir_, arguments());
    ASSERT_TRUE(eventually([&] { return server_.count("verify") == 1; }));
    agent.kill();
  }
  silent = false;
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_), all_once());
  EXPECT_EQ(server_.count("request"), 1u);
}

TEST_F(Agent, RepeatsVerifyUntilAnswered) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "verify" && server_.count("verify") < 2) return;
    normally(device, what, message);
  };
  ASSERT_EQ(run(), 0);
  EXPECT_GE(server_.count("verify"), 2u);
}

TEST_F(Agent, ReportsAWrongChunkAndFetchesThatOneAgain) {
  server_.offer(firmware_);
  std::atomic<bool> wrong = true;
  server_.on_chunk = [&](const Firmware& firmware, std::size_t index) -> std::optional<Answer> {
    if (index != 4 || !wrong.exchange(false)) return std::nullopt;
    return Answer{200, std::string(firmware.chunk(index).size(), 'x'), ""};
  };
  ASSERT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_), all_once());
  int mismatches = 0;
  for (const auto& progress : server_.heard("progress")) {
    if (progress.value("status", "") != "mismatch") continue;
    ++mismatches;
    EXPECT_EQ(progress["chunks"], (Json{{4, 4}}));
  }
  EXPECT_EQ(mismatches, 1);
}

TEST_F(Agent, KeepsTheGoodChunksThatTheServerHasNotHeardOfAtAMismatch) {
  server_.offer(firmware_);
  std::atomic<bool> wrong = true;
  server_.on_chunk = [&](const Firmware& firmware, std::size_t index) -> std::optional<Answer> {
    if (index != 4 || !wrong.exchange(false)) return std::nullopt;
    return Answer{200, std::string(firmware.chunk(index).size(), 'x'), ""};
  };
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (message.value("status", "") == "mismatch") {
      server_.send(device, server_.retry(firmware_, 1, {{0, 9}}, "chunk_mismatch"));
    } else {
      normally(device, what, message);
    }
  };
  ASSERT_EQ(run(), 0);
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Agent, FetchesWhatRetryNamesAndVerifiesTheNewAttempt) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "verify" && message["attempt"] == 1) {
      server_.send(device, server_.retry(firmware_, 2, {{2, 3}}, "checksum_mismatch"));
    } else {
      normally(device, what, message);
    }
  };
  ASSERT_EQ(run(), 0);
  auto wanted = all_once();
  wanted[2] = wanted[3] = 2;
  EXPECT_EQ(times(firmware_), wanted);
  EXPECT_EQ(server_.heard("verify").back()["attempt"], 2);
}

TEST_F(Agent, KnowsBetterThanAServerThatLostSightOfChunks) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "verify" && server_.count("verify") == 1) {
      server_.send(device, server_.retry(firmware_, 1, {{0, 9}}, "stalled"));
    } else {
      normally(device, what, message);
    }
  };
  ASSERT_EQ(run(), 0);
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Agent, KeepsChunksWhenAMoreUrgentUpdateComesFirst) {
  firmware_.image = bytes(50'000, 4);
  server_.offer(firmware_);
  Firmware urgent;
  urgent.task = "OTA_20261122_000002";
  urgent.version = "1.0.1";
  urgent.priority = "security";
  urgent.image = bytes(5'000, 5);
  std::atomic<bool> urgent_done = false;
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "verify" && message["task_id"] == urgent.task) {
      urgent_done = true;
      server_.send(device, {{"type", "success"}, {"task_id", urgent.task}, {"version", urgent.version}});
    } else if (what == "request" && server_.count("request") > 1) {
      server_.send(device, server_.metadata(urgent_done ? firmware_ : urgent));
    } else {
      normally(device, what, message);
    }
  };
  auto words = arguments({"--rate", "50000", "--poll", "1"});
  words.erase(std::find(words.begin(), words.end(), "--once"));
  AgentProcess agent(dir_, words);
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 10; }));
  server_.offer(urgent);
  server_.send("gw", {{"type", "cancel"}, {"task_id", firmware_.task}, {"reason", "preempted"}});
  server_.send("gw", server_.metadata(urgent));
  ASSERT_TRUE(eventually([&] { return agent.events("installed").size() == 1; }));
  EXPECT_EQ(agent.events("installed")[0]["version"], "1.0.1");
  server_.offer(firmware_);
  ASSERT_TRUE(eventually([&] { return agent.events("installed").size() == 2; }));
  agent.terminate();
  EXPECT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_LE(server_.served_in_all(), static_cast<int>(firmware_.count() + urgent.count()) + 1);
  std::set<int> told;  // also what came just before the cancel
  for (const auto& progress : server_.heard("progress")) {
    if (progress["task_id"] != firmware_.task || !progress.contains("chunks")) continue;
    for (const auto& range : progress["chunks"]) {
      for (int i = range[0]; i <= range[1]; ++i) told.insert(i);
    }
  }
  EXPECT_EQ(told.size(), firmware_.count());
}

TEST_F(Agent, KeepsFewPartsWhereTheImageOfATaskChanges) {
  const auto part = [&] { return dir_ / "gw" / (FakeServer::checksum(firmware_.image).substr(7) + ".part"); };
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "1000"}));
  for (unsigned seed = 10; seed < 16; ++seed) {
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(part()); }));
    firmware_.image = bytes(9'500, seed);
    server_.offer(firmware_);
    server_.send("gw", server_.metadata(firmware_));
  }
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(part()); }));
  agent.kill();
  int parts = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "gw")) parts += file.path().extension() == ".part";
  EXPECT_LE(parts, 3);
}

TEST_F(Agent, DropsACancelledUpdate) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "2000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 2; }));
  server_.send("gw", {{"type", "cancel"}, {"task_id", "OTA_20200101_000009"}, {"reason", "cancelled"}});
  server_.send("gw", {{"type", "cancel"}, {"task_id", firmware_.task}, {"reason", "cancelled"}});
  EXPECT_EQ(agent.wait(), 3);
  EXPECT_EQ(agent.events("cancel").size(), 1u);
  for (const auto& file : std::filesystem::directory_iterator(dir_ / "gw")) {
    EXPECT_NE(file.path().extension(), ".part") << file.path();
  }
}

TEST_F(Agent, AsksForFreshAddressesWhenItsOwnExpired) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "5000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 3; }));
  server_.expire_urls();
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(times(firmware_), all_once());
  EXPECT_EQ(server_.count("request"), 2u);
}

TEST_F(Agent, WaitsAsLongAsABusyServerSays) {
  server_.offer(firmware_);
  std::atomic<int> refusals = 0;
  server_.on_chunk = [&](const Firmware&, std::size_t) -> std::optional<Answer> {
    if (refusals++ > 0) return std::nullopt;
    return Answer{503, "busy", "Retry-After: 2\r\n"};
  };
  auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(run(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Agent, EndsAsTheServerSays) {
  EXPECT_EQ(run(), 0) << "up_to_date";
  auto answer = [&](const Json& message) {
    server_.on_message = [this, message](const std::string& device, const std::string& what, const Json&) {
      if (what == "request") server_.send(device, message);
    };
  };
  answer({{"type", "error"},
          {"code", "unknown_device"},
          {"message", "device gw is not registered"},
          {"task_id", nullptr}});
  EXPECT_EQ(run(), 4);
  server_.offer(firmware_);
  server_.on_message = [this](const std::string& device, const std::string& what, const Json&) {
    if (what == "request") server_.send(device, server_.metadata(firmware_));
    if (what == "verify") {
      server_.send(device,
                   {{"type", "failed"}, {"task_id", firmware_.task}, {"reason", "checksum_mismatch"}, {"attempts", 3}});
    }
  };
  EXPECT_EQ(run(), 3);
  EXPECT_FALSE(std::filesystem::exists(image("2.0.0")));
}

TEST_F(Agent, TakesNoLateAnswerToAnEarlierRunForOneToItsOwn) {
  EXPECT_EQ(run(), 0) << "up_to_date";
  server_.send("gw", {{"type", "up_to_date"}, {"version", "1.0.0"}});
  server_.send("gw", {{"type", "error"}, {"code", "unknown_device"}, {"message", "not yet"}, {"task_id", nullptr}});
  ASSERT_TRUE(eventually([&] { return server_.all_is_sent(); }));
  server_.offer(firmware_);
  EXPECT_EQ(run(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
}

TEST_F(Agent, WaitsInTheQueueAndAsksAgain) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "request" && server_.count("request") == 1) {
      server_.send(device, {{"type", "queued"}, {"task_id", firmware_.task}, {"position", 3}, {"retry_after_s", 1}});
    } else {
      normally(device, what, message);
    }
  };
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(server_.count("request"), 2u);
}

TEST_F(Agent, ReportsAFailedInstall) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--install", "exit 7"}));
  EXPECT_EQ(agent.wait(), 3);
  auto last = server_.heard("progress").back();
  EXPECT_EQ(last["state"], "failed");
  EXPECT_EQ(last["reason"], "the install command ended with status 7");
  EXPECT_EQ(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos);
}

TEST_F(Agent, InstallsOnlyWhatTheTrustedKeySigned) {
  auto key = (dir_ / "key").string(), pub = (dir_ / "pub.pem").string(), text = (dir_ / "text").string(),
       signature = (dir_ / "signature").string();
  firmware_.hardware = "gw-a";
  std::ofstream(text, std::ios::binary) << fmt::format(
      "otad-firmware-v1\nhardware:gw-a\nversion:2.0.0\nsize:{}\nsha256:{}\n", firmware_.image.size(),
      FakeServer::checksum(firmware_.image).substr(7));
  ASSERT_EQ(std::system(fmt::format("openssl genpkey -algorithm ed25519 -out {0} 2>/dev/null && openssl pkey -in {0} "
                                    "-pubout -out {1} && openssl pkeyutl -sign -rawin -inkey {0} -in {2} -out {3}",
                                    key, pub, text, signature)
                            .c_str()),
            0);
  auto raw = content(signature);
  auto value = firmware::base64({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()});
  server_.offer(firmware_);
  EXPECT_EQ(run({"--trusted-key", pub, "--hardware", "gw-a"}), 3) << "not signed";
  firmware_.signature = {{"algorithm", "ed25519"}, {"key_id", "someone"}, {"value", value}};
  firmware_.version = "2.0.1";
  server_.offer(firmware_);
  EXPECT_EQ(run({"--trusted-key", pub, "--hardware", "gw-a"}), 3) << "signed for another version";
  EXPECT_FALSE(std::filesystem::exists(image("2.0.1")));
  firmware_.version = "2.0.0";
  server_.offer(firmware_);
  EXPECT_EQ(run({"--trusted-key", pub, "--hardware", "gw-a"}), 0);
}

TEST_F(Agent, RefusesFirmwareForOtherHardware) {
  firmware_.hardware = "gw-b";
  server_.offer(firmware_);
  EXPECT_EQ(run({"--hardware", "gw-a"}), 3);
  EXPECT_EQ(server_.heard("progress").back()["reason"], "firmware for gw-b on a gw-a");
}

TEST_F(Agent, SaysItsNewVersionWhereTheServerWaitsForIt) {
  server_.offer(firmware_);
  auto normally = server_.on_message;
  server_.on_message = [&](const std::string& device, const std::string& what, const Json& message) {
    if (what == "verify") {
      server_.send(device, {{"type", "success"},
                            {"task_id", firmware_.task},
                            {"version", "2.0.0"},
                            {"confirm_by", "2030-01-01T00:00:00Z"}});
    } else {
      normally(device, what, message);
    }
  };
  ASSERT_EQ(run(), 0);
  ASSERT_TRUE(eventually([&] { return server_.count("request") == 2; }));
  EXPECT_EQ(server_.heard("request").back()["current_version"], "2.0.0");
}

TEST_F(Agent, RunsASmallFleetInOneProcess) {
  server_.offer(firmware_);
  std::ofstream(dir_ / "tokens") << "gw-002 secret-two\n";
  std::filesystem::permissions(dir_ / "tokens", std::filesystem::perms::owner_read);
  AgentProcess agent(dir_, arguments({"--count", "20", "--workers", "4", "--token-file", (dir_ / "tokens").string()}));
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(agent.events("installed").size(), 20u);
  for (int i = 1; i <= 20; ++i) {
    EXPECT_TRUE(content(dir_ / fmt::format("gw-{:03}", i) / "image-2.0.0") == firmware_.image);
  }
  EXPECT_EQ(server_.served_in_all(), 20 * static_cast<int>(firmware_.count()));
  int with_token = 0;
  for (const auto& request : server_.heard("request")) with_token += request.value("token", "") == "secret-two";
  EXPECT_GE(with_token, 1);
}

TEST_F(Agent, EndsAtOnceWhenToldTo) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "1000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 2; }));
  auto begin = std::chrono::steady_clock::now();
  agent.terminate();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(agent.wait(), 0);
}

TEST_F(Agent, LetsNoOtherIntoItsStateFolder) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "5000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 1; }));
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(agent.wait(), 0);
}

TEST_F(Agent, LivesThroughNonsense) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, arguments({"--rate", "5000"}));
  ASSERT_TRUE(eventually([&] { return server_.served_in_all() >= 1; }));
  auto wrong = server_.metadata(firmware_);
  for (const auto& [field, value] : std::map<std::string, Json>{{"size", 0},
                                                                {"size", -1},
                                                                {"chunk_bytes", 0},
                                                                {"chunk_count", 3},
                                                                {"checksum", "md5:00"},
                                                                {"version", "../../etc/passwd"},
                                                                {"missing", {{0, 99}}},
                                                                {"chunks", {"00"}}}) {
    auto message = wrong;
    message[field] = value;
    server_.send("gw", message);
  }
  server_.send("gw", {{"type", "cancel"}});
  server_.send("gw", {{"type", "success"}, {"task_id", "OTA_20200101_000001"}});
  server_.send("gw", {{"type", "failed"}, {"task_id", "OTA_20200101_000001"}, {"reason", "x"}});
  EXPECT_EQ(agent.wait(), 0);
  EXPECT_GE(agent.events("error").size(), 7u);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
}

}  // namespace
}  // namespace ota::agent
