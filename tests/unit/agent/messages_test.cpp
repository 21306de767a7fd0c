// The server's messages as the agent reads them, and its own.
#include "agent/messages.hpp"

#include "agent_fixture.hpp"

namespace ota::agent {
namespace {

Json some_metadata() {
  return {{"type", "metadata"},
          {"task_id", "OTA_20261122_000001"},
          {"version", "2.0.0"},
          {"size", 1000},
          {"chunk_bytes", 512},
          {"checksum", "sha256:" + std::string(64, 'a')},
          {"chunk_url", "http://gw:8080/download/aa/chunks/{index}?bytes=512&task=T&exp=1&sig=x"}};
}

Assignment parsed(const Json& message) {
  auto result = parse_message(message.dump());
  if (!result) {
    ADD_FAILURE() << result.error().message;
    return {};
  }
  return std::get<Metadata>(*result).task;
}

TEST(ParseMetadata, KnowsWhatTheTemplateImplies) {
  const auto task = parsed(some_metadata());
  EXPECT_EQ(task.image_url, "http://gw:8080/download/aa/image?bytes=512&task=T&exp=1&sig=x");
  EXPECT_EQ(task.manifest_url, "http://gw:8080/download/aa/manifest?bytes=512&task=T&exp=1&sig=x");
  EXPECT_EQ(task.missing, (ChunkRanges{{0, 1}}));
  EXPECT_TRUE(task.chunks.empty());
}

TEST(ParseMetadata, TakesWhatIsSaidBeforeWhatIsImplied) {
  auto message = some_metadata();
  message["url"] = "http://cdn/i";
  message["manifest_url"] = "http://cdn/m";
  const auto task = parsed(message);
  EXPECT_EQ(task.image_url, "http://cdn/i");
  EXPECT_EQ(task.manifest_url, "http://cdn/m");
  message = some_metadata();
  message["chunk_url"] = "http://gw:8080/{index}";
  EXPECT_EQ(parsed(message).image_url, "") << "nothing is guessed";
}

TEST(ParseMetadata, ReadsADowngradePermission) {
  auto message = some_metadata();
  EXPECT_FALSE(parsed(message).downgrade);
  message["downgrade"] = {{"algorithm", "ed25519"},
                          {"key_id", "vendor"},
                          {"device", "*"},
                          {"expires", "2027-01-01T00:00:00Z"},
                          {"value", "AAAA"}};
  const auto task = parsed(message);
  EXPECT_EQ(task.downgrade, (DowngradePermission{"*", "2027-01-01T00:00:00Z", {"vendor", "AAAA"}}));
  const auto kept = task_from_json(task_to_json(task, "verified", true, {2, "boot", "1.0.0", "out", "failed", "why"}));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->task.downgrade, task.downgrade) << "and keeps it";
  EXPECT_EQ(kept->install.tries, 2);
  EXPECT_EQ(kept->install.stopped_in, "boot");
  EXPECT_EQ(kept->install.from_version, "1.0.0");
  EXPECT_EQ(kept->install.output, "out");
  EXPECT_EQ(kept->install.outcome, "failed");
  EXPECT_EQ(kept->install.reason, "why");
  message["downgrade"]["algorithm"] = "none";
  EXPECT_FALSE(parsed(message).downgrade);
}

TEST(ParseMetadata, RefusesHardwareThatIsNone) {
  auto message = some_metadata();
  for (const std::string hardware : {"gw a", "gw\nversion:9", "../x"}) {
    message["hardware"] = hardware;
    EXPECT_FALSE(parse_message(message.dump())) << hardware;
  }
}

TEST(ParseHold, TakesWhatIsThere) {
  const auto parse_hold = [](const Json& more) {
    Json message{{"type", "hold"}, {"task_id", "T"}};
    message.update(more);
    return parse_message(message.dump());
  };
  const auto least = std::get<Hold>(parse_hold(Json::object()).value());
  EXPECT_EQ(least.task_id, "T");
  EXPECT_EQ(least.retry_after_s, 60);
  EXPECT_EQ(least.until, "");
  const auto whole = std::get<Hold>(
      parse_hold({{"reason", "of tomorrow"}, {"until", "2026-11-22T23:00:00Z"}, {"retry_after_s", 5}}).value());
  EXPECT_EQ(whole.reason, "of tomorrow");
  EXPECT_EQ(whole.until, "2026-11-22T23:00:00Z");
  EXPECT_EQ(whole.retry_after_s, 5);
  EXPECT_FALSE(parse_hold({{"task_id", nullptr}}));
  EXPECT_FALSE(parse_hold({{"retry_after_s", -1}}));
}

TEST_F(Agent, LivesOnMessagesAsShortAsItAsksFor) {
  firmware_.image = bytes(60'000, 8);
  server_.offer(firmware_);
  server_.on_message = [this](const std::string& device, const std::string& what, const Json& message) {
    auto answer = server_.metadata(firmware_);
    for (const char* field : {"chunks", "url", "manifest_url", "missing"}) answer.erase(field);
    if (what == "verify") answer = {{"type", "success"}, {"task_id", firmware_.task}, {"version", "2.0.0"}};
    if (what == "request" || what == "verify") {
      EXPECT_LE(answer.dump().size(), message.value("max_message_bytes", 1024u));
      server_.send(device, answer);
    }
  };
  ASSERT_EQ(run({"--max-message-bytes", "1024"}), 0);
  EXPECT_EQ(server_.heard("request").front()["max_message_bytes"], 1024);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
}

TEST_F(Agent, HoldsNoMoreMessagesThanItsBound) {
  server_.offer(firmware_);
  std::atomic<bool> held = true;
  server_.on_chunk = [&](const Firmware&, std::size_t) -> std::optional<Answer> {
    eventually([&] { return !held; }, std::chrono::seconds(60));
    return std::nullopt;
  };
  AgentProcess agent(dir_, arguments());
  ASSERT_TRUE(eventually([&] { return agent.events("metadata").size() == 1; }));
  auto padded = server_.metadata(firmware_);
  padded["padding"] = std::string(1'900'000, 'x');
  for (int i = 0; i < 100; ++i) server_.send("gw", padded);
  server_.send("gw", {{"type", "cancel"}, {"task_id", firmware_.task}, {"reason", "cancelled"}});
  const bool cancelled = eventually([&] { return agent.events("cancel").size() == 1; }, std::chrono::seconds(60));
  const auto peak = agent.peak_memory();
  held = false;
  EXPECT_TRUE(cancelled) << "a short one finds room behind long ones";
  EXPECT_LT(peak, 100u << 20);
}

}  // namespace
}  // namespace ota::agent
