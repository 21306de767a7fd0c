#include "device/encode.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "unit/device/doubles.hpp"

namespace ota::device {
namespace {

using nlohmann::json;
using test::DeviceWorld;

Digest digest_of(std::uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return digest;
}

Offer an_offer() {
  Offer offer{TaskId{20261122, 42},
              *DeviceId::parse("gw-17"),
              "1.4.0",
              "gw-a",
              Priority::security,
              1,
              3,
              digest_of(0xab),
              {2'048'000, 524'288},
              {{0, 3}},
              {Transport::http, Transport::mqtt},
              {}};
  return offer;
}

class Encode : public testing::Test {
 protected:
  std::string text(const Answer& answer) { return encoder.encode(answer, {}).value(); }
  json parsed(const Answer& answer) { return json::parse(text(answer)); }
  void keep_manifest(const Offer& offer) {
    auto manifest = std::make_shared<firmware::Manifest>();
    for (std::uint32_t i = 0; i < offer.grid.count(); ++i) manifest->push_back(digest_of(static_cast<std::uint8_t>(i)));
    store.ready[{offer.checksum, offer.grid.chunk_bytes}] = manifest;
  }

  test::TestClock clock;
  test::TestStore store;
  Options options = DeviceWorld::default_options();
  Encoder encoder{options, clock, store};
};

TEST_F(Encode, Metadata) {
  auto offer = an_offer();
  offer.signature = FirmwareSignature{"vendor-1", "c2ln"};
  keep_manifest(offer);
  const auto hex = std::string(64, '\0').replace(0, 64, to_hex(offer.checksum));
  const auto query = download::UrlSigner(options.signing_keys).sign(offer.checksum, 524'288, offer.task, 1795338000);
  const auto wanted = R"({"type":"metadata","task_id":"OTA_20261122_000042","version":"1.4.0","hardware":"gw-a",)"
                      R"("priority":"security","attempt":1,"max_attempts":3,"size":2048000,"checksum":"sha256:)" +
                      hex +
                      R"(","chunk_bytes":524288,"chunk_count":4,"missing":[[0,3]],"url":"http://gw:8080/download/)" +
                      hex + "/image?" + query + R"(","chunk_url":"http://gw:8080/download/)" + hex +
                      "/chunks/{index}?" + query + R"(","manifest_url":"http://gw:8080/download/)" + hex +
                      "/manifest?" + query + R"(","chunks":[")" + to_hex(digest_of(0)) + R"(",")" +
                      to_hex(digest_of(1)) + R"(",")" + to_hex(digest_of(2)) + R"(",")" + to_hex(digest_of(3)) +
                      R"("],"transports":["http","mqtt"],"urls_expire_at":"2026-11-22T09:00:00Z",)"
                      R"("signature":{"algorithm":"ed25519","key_id":"vendor-1","value":"c2ln"}})";
  EXPECT_EQ(text(offer), wanted);
}

TEST_F(Encode, MetadataWithoutWhatIsNotThere) {
  const auto metadata = parsed(an_offer());
  EXPECT_FALSE(metadata.contains("chunks")) << "the grid is not in memory";
  EXPECT_FALSE(metadata.contains("signature"));
}

TEST_F(Encode, ChunksOnlyUpToTheSetNumber) {
  auto offer = an_offer();
  offer.grid = {64 * 512, 512};
  keep_manifest(offer);
  EXPECT_EQ(parsed(offer)["chunks"].size(), 64u);
  offer.grid = {64 * 512 + 1, 512};
  keep_manifest(offer);
  EXPECT_FALSE(parsed(offer).contains("chunks"));
}

TEST_F(Encode, NothingMissingIsAnEmptyList) {
  auto offer = an_offer();
  offer.missing.clear();
  EXPECT_EQ(parsed(offer)["missing"], json::array());
}

TEST_F(Encode, ManyGapsAreToldAsFewerRanges) {
  auto offer = an_offer();
  offer.grid = {65'536ull * 512, 512};
  offer.missing.clear();
  for (std::uint32_t i = 0; i < 65'536; i += 2) offer.missing.push_back({i, i});
  const auto missing = parsed(offer)["missing"];
  EXPECT_LE(missing.size(), kMaxMissingRanges);
  std::size_t at = 0;
  for (const auto& gap : offer.missing) {
    while (missing[at][1].get<std::uint32_t>() < gap.last) ++at;
    EXPECT_LE(missing[at][0].get<std::uint32_t>(), gap.first);
  }
}

TEST_F(Encode, ShortensOnlyAsFarAsItMust) {
  auto offer = an_offer();
  offer.grid = {64 * 512, 512};
  keep_manifest(offer);
  offer.missing.clear();
  for (std::uint32_t i = 0; i < 64; i += 2) offer.missing.push_back({i, i});
  offer.signature = FirmwareSignature{"vendor-1", std::string(88, 'c')};
  const auto whole = text(offer);
  EXPECT_EQ(*encoder.encode(offer, {}), whole);
  EXPECT_EQ(*encoder.encode(offer, {}, whole.size()), whole);

  const auto without_chunks = json::parse(*encoder.encode(offer, {}, whole.size() - 1));
  EXPECT_FALSE(without_chunks.contains("chunks"));
  EXPECT_EQ(without_chunks["missing"].size(), 32u) << "one thing is left out at a time";
  EXPECT_TRUE(without_chunks.contains("url"));

  const auto size = without_chunks.dump().size();
  const auto merged = json::parse(*encoder.encode(offer, {}, size - 1));
  EXPECT_LT(merged["missing"].size(), 32u);
  EXPECT_EQ(merged["missing"].front()[0], 0);
  EXPECT_EQ(merged["missing"].back()[1], 62);
  EXPECT_TRUE(merged.contains("manifest_url"));

  auto one_range = offer;
  one_range.missing = {{0, 62}};
  const auto with_urls = json::parse(*encoder.encode(one_range, {}, size)).dump().size();
  const auto bare = json::parse(*encoder.encode(offer, {}, with_urls - 1));
  EXPECT_FALSE(bare.contains("url"));
  EXPECT_FALSE(bare.contains("manifest_url"));
  EXPECT_GT(bare["missing"].size(), 1u) << "the room that this makes is used";
  EXPECT_EQ(bare["chunk_url"], json::parse(whole)["chunk_url"]);
  for (const auto* name : {"task_id", "version", "size", "checksum", "chunk_bytes", "signature", "urls_expire_at"})
    EXPECT_EQ(bare[name], json::parse(whole)[name]) << name;
}

TEST_F(Encode, EveryLengthIsKeptOrRefused) {
  auto offer = an_offer();
  offer.grid = {64 * 512, 512};
  keep_manifest(offer);
  offer.missing.clear();
  for (std::uint32_t i = 0; i < 64; i += 2) offer.missing.push_back({i, i});
  bool fitted = false;
  for (std::size_t most = 1; most < text(offer).size(); ++most) {
    const auto short_text = encoder.encode(RetryAnswer{offer, "stalled", 1}, {}, most);
    if (short_text) {
      EXPECT_LE(short_text->size(), most);
      EXPECT_TRUE(json::accept(*short_text));
    } else {
      EXPECT_FALSE(fitted) << "a longer one fits as well";
      EXPECT_EQ(short_text.error().code, Errc::bad_message);
    }
    fitted |= short_text.has_value();
  }
  EXPECT_TRUE(fitted);
}

TEST_F(Encode, TheDevicesBoundCountsToo) {
  auto offer = an_offer();
  keep_manifest(offer);
  offer.max_message_bytes = static_cast<std::uint32_t>(text(offer).size() - 1);
  EXPECT_FALSE(json::parse(*encoder.encode(offer, {})).contains("chunks"));
  offer.max_message_bytes = kMinMessageBytes;
  const auto refused = encoder.encode(offer, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_message);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("at most 256"));
}

TEST_F(Encode, AnErrorsMessageIsCut) {
  const ErrorAnswer error{fail(Errc::bad_message, std::string(300, 'x') + "\u00e4\u00e4\u00e4\n"),
                          TaskId{20261122, 42}};
  const auto whole = error_payload(error);
  for (std::size_t most = 120; most < whole.size(); ++most) {
    const auto cut = error_payload(error, most);
    EXPECT_LE(cut.size(), most);
    const auto parsed = json::parse(cut);
    EXPECT_EQ(parsed["code"], "bad_message");
    EXPECT_THAT(parsed["message"].get<std::string>(), testing::EndsWith("..."));
  }
  auto bounded = error;
  bounded.max_message_bytes = kMinMessageBytes;
  EXPECT_LE(error_payload(bounded).size(), kMinMessageBytes);
  EXPECT_LE(encoder.encode(bounded, {})->size(), kMinMessageBytes);
}

TEST_F(Encode, EveryOtherAnswerFitsIntoTheLeastBound) {
  const TaskId task{20261122, 999'999'999};
  const std::string longest(128, 'v');
  for (const auto& answer :
       {Answer(SuccessAnswer{task, longest, clock.wall_time}), Answer(FailedAnswer{task, "checksum_mismatch", 100}),
        Answer(QueuedAnswer{task, 1000, 86'400}), Answer(UpToDateAnswer{longest}),
        Answer(UpToDateAnswer{std::string(300, 'v')}), Answer(CancelAnswer{task, CancelReason::rollout_cancelled}),
        Answer(HoldAnswer{task, HoldReason::postponed, clock.wall_time, 604'800})})
    EXPECT_LE(text(answer).size(), kMinMessageBytes) << text(answer);
}

TEST_F(Encode, RepeatedWithinTheMinuteItIsTheSameText) {
  clock.wall_time += Millis{1};
  const auto first = text(an_offer());
  clock.wall_time += std::chrono::seconds{59};
  EXPECT_EQ(text(an_offer()), first);
  clock.wall_time += std::chrono::seconds{60};
  EXPECT_NE(text(an_offer()), first);
}

TEST_F(Encode, ShortLivesAreNotStretched) {
  options.url_life = std::chrono::seconds{2};
  const Encoder brief(options, clock, store);
  EXPECT_EQ(json::parse(brief.encode(an_offer(), {}).value())["urls_expire_at"], "2026-11-22T08:00:02Z");
}

TEST_F(Encode, PublicUrlComesLater) {
  encoder.set_public_url("https://other:1");
  EXPECT_THAT(parsed(an_offer())["url"].get<std::string>(), testing::StartsWith("https://other:1/download/abab"));
}

TEST_F(Encode, RetryHasAllOfMetadata) {
  auto offer = an_offer();
  keep_manifest(offer);
  offer.attempt = 2;
  offer.missing = {{1, 1}};
  const auto retry = parsed(RetryAnswer{offer, "checksum_mismatch", 4});
  const auto metadata = parsed(offer);
  EXPECT_EQ(retry["type"], "retry");
  EXPECT_EQ(retry["reason"], "checksum_mismatch");
  EXPECT_EQ(retry["retry_after_s"], 4);
  for (const auto& [name, value] : metadata.items()) {
    if (name != "type") {
      EXPECT_EQ(retry[name], value) << name;
    }
  }
}

TEST_F(Encode, HoldNamesItsReasonAndItsEnd) {
  const TaskId task{20261122, 42};
  EXPECT_EQ(
      text(HoldAnswer{task, HoldReason::pace, {}, 60}),
      R"({"type":"hold","task_id":"OTA_20261122_000042","reason":"pace","until":null,"retry_after_s":60})");
  EXPECT_EQ(parsed(HoldAnswer{task, HoldReason::window, clock.wall_time, 60})["until"], to_rfc3339(clock.wall_time));
  const std::pair<HoldReason, const char*> words[] = {
      {HoldReason::pace, "pace"},     {HoldReason::window, "window"},     {HoldReason::paused, "paused"},
      {HoldReason::halted, "halted"}, {HoldReason::approval, "approval"}, {HoldReason::postponed, "postponed"}};
  for (const auto& [reason, word] : words) EXPECT_EQ(parsed(HoldAnswer{task, reason, {}, 1})["reason"], word);
}

TEST_F(Encode, TheOtherAnswers) {
  const TaskId task{20261122, 42};
  EXPECT_EQ(text(SuccessAnswer{task, "1.4.0", {}}),
            R"({"type":"success","task_id":"OTA_20261122_000042","version":"1.4.0"})");
  EXPECT_EQ(
      text(SuccessAnswer{task, "1.4.0", clock.wall_time + std::chrono::hours{1}}),
      R"({"type":"success","task_id":"OTA_20261122_000042","version":"1.4.0","confirm_by":"2026-11-22T09:00:00Z"})");
  EXPECT_EQ(text(FailedAnswer{task, "stalled", 3}),
            R"({"type":"failed","task_id":"OTA_20261122_000042","reason":"stalled","attempts":3})");
  EXPECT_EQ(text(QueuedAnswer{task, 12, 30}),
            R"({"type":"queued","task_id":"OTA_20261122_000042","position":12,"retry_after_s":30})");
  EXPECT_EQ(text(UpToDateAnswer{"1.4.0"}), R"({"type":"up_to_date","version":"1.4.0"})");
  EXPECT_EQ(text(UpToDateAnswer{}), R"({"type":"up_to_date","version":null})");
  EXPECT_EQ(text(CancelAnswer{task, CancelReason::preempted}),
            R"({"type":"cancel","task_id":"OTA_20261122_000042","reason":"preempted"})");
  EXPECT_EQ(text(CancelAnswer{task, CancelReason::rollout_cancelled}),
            R"({"type":"cancel","task_id":"OTA_20261122_000042","reason":"rollout_cancelled"})");
  EXPECT_EQ(text(ErrorAnswer{fail(Errc::unknown_device, "device gw-99 is not registered"), {}}),
            R"({"type":"error","code":"unknown_device","message":"device gw-99 is not registered","task_id":null})");
  EXPECT_EQ(
      text(ErrorAnswer{{Errc::overloaded, "busy", {}, 7}, task}),
      R"({"type":"error","code":"overloaded","message":"busy","task_id":"OTA_20261122_000042","retry_after_s":7})");
  EXPECT_EQ(
      error_payload({fail(Errc::disk_full, "a \"quote\" and \xff"), {}}),
      "{\"type\":\"error\",\"code\":\"server_fault\",\"message\":\"a \\\"quote\\\" and \uFFFD\",\"task_id\":null}");
}

}  // namespace
}  // namespace ota::device
