#include "device/decode.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/version.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::device {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTaskField = R"("task_id":"OTA_20261122_000042")";
const std::string kHex(64, 'a');

std::string with_task(std::string_view more) { return fmt::format("{{{},{}}}", kTaskField, more); }

struct Bad {
  std::string fields;     ///< of the message
  std::string_view name;  ///< that the refusal must name
};

template <class Message>
void expect_bad(const Decoded<Message>& decoded, std::string_view payload, std::string_view name,
                Errc code = Errc::bad_message) {
  ASSERT_FALSE(decoded.message) << payload;
  EXPECT_EQ(decoded.message.error().code, code) << payload;
  EXPECT_THAT(decoded.message.error().message, HasSubstr(std::string(name))) << payload;
}

template <class Message>
Decoded<Message> decode_as(std::string_view type, std::string_view payload) {
  auto decoded = find_message_type(type)->decode(payload);
  if (!decoded.message) return {decoded.message.error(), decoded.who, decoded.task};
  return {std::get<Message>(std::move(*decoded.message)), decoded.who, decoded.task};
}
Decoded<DeviceRequest> decode_request(std::string_view payload) { return decode_as<DeviceRequest>("request", payload); }
Decoded<ProgressReport> decode_progress(std::string_view payload) {
  return decode_as<ProgressReport>("progress", payload);
}
Decoded<VerifyReport> decode_verify(std::string_view payload) { return decode_as<VerifyReport>("verify", payload); }

TEST(DecodeRequest, ReadsAll) {
  const auto decoded = decode_request(
      R"({"version": "1.4.0", "current_version": "1.3.2", "hardware": "gw-a", "transports": ["mqtt", "http", "mqtt"],
          "max_chunk_bytes": 65536, "timezone": "Europe/Berlin", "channel": "beta", "token": "s3cret",
          "later": {"unknown": [1]}})");
  ASSERT_TRUE(decoded.message);
  const auto& request = *decoded.message;
  EXPECT_EQ(request.version, "1.4.0");
  EXPECT_EQ(request.current_version, "1.3.2");
  EXPECT_EQ(request.hardware, "gw-a");
  EXPECT_EQ(request.transports, (std::vector<Transport>{Transport::mqtt, Transport::http}));
  EXPECT_EQ(request.max_chunk_bytes, 65536u);
  EXPECT_EQ(request.timezone, "Europe/Berlin");
  EXPECT_EQ(request.channel, "beta");
  EXPECT_EQ(decoded.who.token_digest, firmware::sha256("s3cret"));
}

TEST(DecodeRequest, TellsWhetherTheTokenMayBecomeASecret) {
  for (const auto& [token, fit] : {std::pair{std::string(16, 't'), true}, {std::string(15, 't'), false}}) {
    const auto decoded = decode_request(fmt::format(R"({{"token":"{}"}})", token));
    EXPECT_EQ(decoded.who.token_digest, firmware::sha256(token));
    EXPECT_EQ(decoded.who.token_fit, fit) << token;
  }
  EXPECT_FALSE(decode_request(R"({"token":""})").who.token_fit);
}

TEST(DecodeRequest, EmptyPayloadIsAnEmptyObject) {
  for (const auto* payload : {"", "{}"}) {
    const auto decoded = decode_request(payload);
    ASSERT_TRUE(decoded.message);
    EXPECT_FALSE(decoded.message->version || decoded.message->hardware || decoded.message->transports);
    EXPECT_FALSE(decoded.who.token_digest);
  }
}

TEST(DecodeRequest, LargeChunksAreCut) {
  for (const auto* bytes : {"16777217", "9007199254740992"}) {
    const auto decoded = decode_request(fmt::format(R"({{"max_chunk_bytes":{}}})", bytes));
    ASSERT_TRUE(decoded.message) << bytes;
    EXPECT_EQ(decoded.message->max_chunk_bytes, kMaxChunkBytes);
  }
}

TEST(DecodeRequest, TheBoundOfMessagesIsAtLeastTheLeast) {
  const std::pair<std::string, std::uint32_t> wanted[] = {
      {"0", kMinMessageBytes}, {"255", kMinMessageBytes}, {"256", 256}, {"1024", 1024}, {"9007199254740992", 1u << 30}};
  for (const auto& [bytes, bound] : wanted) {
    const auto decoded = decode_request(fmt::format(R"({{"max_message_bytes":{}}})", bytes));
    ASSERT_TRUE(decoded.message) << bytes;
    EXPECT_EQ(decoded.message->max_message_bytes, bound);
  }
  EXPECT_FALSE(decode_request("{}").message->max_message_bytes);
}

TEST(DecodeRequest, RefusesEachField) {
  const Bad bad[] = {
      {R"("version":1)", "version"},
      {R"("version":"a/b")", "version"},
      {R"("version":"..")", "version"},
      {R"("version":"1.0\n")", "version"},
      {R"("version":")" + std::string(10'000, '1') + '"', "version"},
      {R"("current_version":["1"])", "current_version"},
      {R"("hardware":1)", "hardware"},
      {R"("hardware":"gw a")", "hardware"},
      {R"("hardware":")" + std::string(65, 'h') + '"', "hardware"},
      {R"("transports":"http")", "transports"},
      {R"("transports":["smoke"])", "transports"},
      {R"("transports":[1])", "transports[0]"},
      {R"("transports":["http","http","http","http","http","http","http","http","http"])", "transports"},
      {R"("max_chunk_bytes":511)", "max_chunk_bytes"},
      {R"("max_chunk_bytes":0)", "max_chunk_bytes"},
      {R"("max_chunk_bytes":-1)", "max_chunk_bytes"},
      {R"("max_chunk_bytes":"512")", "max_chunk_bytes"},
      {R"("max_chunk_bytes":512.0)", "max_chunk_bytes"},
      {R"("max_chunk_bytes":9223372036854775808)", "max_chunk_bytes"},
      {R"("max_chunk_bytes":true)", "max_chunk_bytes"},
      {R"("max_message_bytes":"512")", "max_message_bytes"},
      {R"("max_message_bytes":-1)", "max_message_bytes"},
      {R"("token":1)", "token"},
      {R"("token":")" + std::string(513, 't') + '"', "token"},
  };
  for (const auto& [fields, name] : bad) {
    const auto payload = "{" + fields + "}";
    expect_bad(decode_request(payload), payload, fmt::format("\"{}\"", name));
  }
}

TEST(DecodeRequest, BlankFieldsAreNone) {
  for (const auto* blank : {"null", "\"\"", "[]", "{}"}) {
    for (const auto* name : {"version", "current_version", "hardware", "transports", "max_chunk_bytes", "token"}) {
      const auto payload = fmt::format(R"({{"{}":{}}})", name, blank);
      const auto decoded = decode_request(payload);
      ASSERT_TRUE(decoded.message) << payload;
      const auto& request = *decoded.message;
      EXPECT_FALSE(request.version || request.current_version || request.hardware || request.transports ||
                   request.max_chunk_bytes || decoded.who.token_digest)
          << payload;
    }
  }
}

TEST(DecodeRequest, WhatRunsNeedBeNoVersion) {
  for (const auto* text : {"a b", "[1]", "1.0/2", "1.0\n", "-1", "..", "ä", "factory (dirty)"}) {
    const auto decoded = decode_request(nlohmann::json{{"current_version", text}}.dump());
    ASSERT_TRUE(decoded.message) << text;
    EXPECT_EQ(decoded.message->current_version, text) << "as it stands";
  }
  const auto cut = decode_request(nlohmann::json{{"current_version", std::string(300, '1')}}.dump());
  ASSERT_TRUE(cut.message);
  EXPECT_EQ(cut.message->current_version, std::string(125, '1') + "…");
  EXPECT_FALSE(valid_version(*cut.message->current_version)) << "it can't become a version by being cut";
}

TEST(DecodeRequest, OddZonesAndChannelsArePassedOver) {
  for (const auto& odd : {std::string("a b"), std::string("Ä"), std::string(65, 'a'), std::string(20'000, 'a'),
                          std::string("a.b"), std::string("\n")}) {
    const auto decoded =
        decode_request(nlohmann::json{{"hardware", "gw-a"}, {"timezone", odd}, {"channel", odd}}.dump());
    ASSERT_TRUE(decoded.message) << odd;
    EXPECT_EQ(decoded.message->hardware, "gw-a");
    EXPECT_FALSE(decoded.message->timezone || decoded.message->channel) << odd;
  }
  for (const auto* odd : {"null", "\"\"", "[\"beta\"]", "{\"a\":1}", "-1.5e3"}) {
    const auto decoded = decode_request(fmt::format(R"({{"timezone":{0},"channel":{0}}})", odd));
    ASSERT_TRUE(decoded.message) << odd;
    EXPECT_FALSE(decoded.message->timezone || decoded.message->channel) << odd;
  }
}

TEST(DecodeRequest, OtherTransportsArePassedOver) {
  const auto decoded = decode_request(R"({"transports":["coap","mqtt","smoke"]})");
  ASSERT_TRUE(decoded.message);
  EXPECT_EQ(decoded.message->transports, std::vector{Transport::mqtt});
}

TEST(DecodeRequest, ZerosBehindTheMessageArePassedOver) {
  using namespace std::string_view_literals;
  EXPECT_EQ(decode_request("{\"version\":\"1.4.0\"}\0"sv).message.value().version, "1.4.0");
  EXPECT_EQ(decode_request("{\"version\":\"1.4.0\"}\0\0\0"sv).message.value().version, "1.4.0");
  EXPECT_TRUE(decode_request("\0"sv).message) << "an empty text of C";
  expect_bad(decode_request("{}\0{}"sv), "more behind it", "zero byte, with more behind it");
  expect_bad(decode_request("{\0}"sv), "inside", "zero byte");
  EXPECT_EQ(decode_request("\xef\xbb\xbf{\"version\":\"1.4.0\"}"sv).message.value().version, "1.4.0") << "a BOM";
  expect_bad(decode_request("\xef\xbb"sv), "half a BOM", "message");
}

TEST(DecodeRequest, RefusesWhatIsNoObjectOrTooLarge) {
  for (const auto* payload : {" ", "[]", "null", "x", "{", "{\"version\":\"1\",\"version\":\"1\"}"})
    expect_bad(decode_request(payload), payload, "message");
  expect_bad(decode_request("{\"x\":\"" + std::string(65'530, 'x') + "\"}"), "large", "more than 65536");
  expect_bad(decode_request(std::string(10'000'000, '[')), "10 MB", "more than 65536");
}

TEST(DecodeProgress, ReadsChunksAndLink) {
  const auto decoded =
      decode_progress(with_task(R"("chunk":17,"status":"ok","transport":"http","rtt_ms":48,"rssi":-71,"loss":0.02)"));
  ASSERT_TRUE(decoded.message);
  const auto& report = *decoded.message;
  EXPECT_EQ(report.task, (TaskId{20261122, 42}));
  EXPECT_EQ(decoded.task, report.task);
  EXPECT_EQ(report.chunks, (ChunkRanges{{17, 17}}));
  EXPECT_FALSE(report.mismatch);
  EXPECT_EQ(report.transport, Transport::http);
  EXPECT_EQ(report.link.rtt_ms, 48);
  EXPECT_EQ(report.link.rssi, -71);
  EXPECT_EQ(report.link.loss, 0.02);
}

TEST(DecodeProgress, ReadsTheOtherForms) {
  const auto ranges = decode_progress(with_task(R"("chunks":[[0,3],[65535,65535]],"status":"mismatch")"));
  ASSERT_TRUE(ranges.message);
  EXPECT_EQ(ranges.message->chunks, (ChunkRanges{{0, 3}, {65535, 65535}}));
  EXPECT_TRUE(ranges.message->mismatch);

  const auto percent = decode_progress(with_task(R"("percent":99.9)"));
  ASSERT_TRUE(percent.message);
  EXPECT_EQ(percent.message->percent, 99);
  EXPECT_TRUE(percent.message->chunks.empty());

  for (const auto* beside : {R"("percent":101)", R"("percent":[])", R"("attempt":0)", R"("attempt":1.5)", R"("chunk":-1)",
                             R"("chunks":[[5,2]],"status":"perhaps")", R"("chunk":99999999,"status":"mismatch")"}) {
    const auto odd = decode_progress(with_task(fmt::format(R"({},"state":"failed","reason":"mkfs")", beside)));
    ASSERT_TRUE(odd.message) << "the failure is taken down beside " << beside;
    EXPECT_EQ(odd.message->reason, "mkfs");
    EXPECT_FALSE(odd.message->percent || odd.message->attempt || !odd.message->chunks.empty());
    if (std::string_view(beside) != R"("percent":[])") {
      EXPECT_FALSE(decode_progress(with_task(beside)).message) << beside;
    }
  }
  EXPECT_EQ(decode_progress(with_task(R"("attempt":2,"state":"rolled_back")")).message->attempt, 2);

  const auto unsaid = decode_progress(with_task(R"("chunk":0)"));
  ASSERT_TRUE(unsaid.message);
  EXPECT_FALSE(unsaid.message->mismatch);

  for (const auto state : {DeviceState::downloading, DeviceState::installing, DeviceState::rebooting,
                           DeviceState::installed, DeviceState::rolled_back, DeviceState::failed}) {
    const auto decoded = decode_progress(with_task(fmt::format(R"("state":"{}","reason":"disk")", to_string(state))));
    ASSERT_TRUE(decoded.message);
    EXPECT_EQ(decoded.message->state, state);
    EXPECT_EQ(decoded.message->reason, "disk");
  }
}

TEST(DecodeProgress, PostponedHasItsEnd) {
  for (const auto* until : {"2026-11-22T08:30:00Z", "2026-11-22T10:30:00+02:00"}) {
    const auto decoded = decode_progress(with_task(fmt::format(R"("state":"postponed","until":"{}")", until)));
    ASSERT_TRUE(decoded.message) << until;
    EXPECT_EQ(decoded.message->state, DeviceState::postponed);
    EXPECT_EQ(decoded.message->until, parse_rfc3339("2026-11-22T08:30:00Z"));
  }
  const auto other = decode_progress(with_task(R"("state":"installing","until":"tomorrow")"));
  ASSERT_TRUE(other.message) << "only what is postponed has an end";
  EXPECT_FALSE(other.message->until);
}

TEST(DecodeProgress, RefusesEachField) {
  const Bad bad[] = {
      {R"("chunk":-1)", "chunk"},
      {R"("chunk":1.0)", "chunk"},
      {R"("chunk":"1")", "chunk"},
      {R"("chunk":true)", "chunk"},
      {R"("chunk":1e400)", "message"},
      {R"("chunk":18446744073709551615)", "chunk"},
      {R"("chunk":1,"chunks":[[1,1]])", "chunk"},
      {R"("chunks":3)", "chunks"},
      {R"("chunks":[3])", "chunks[0]"},
      {R"("chunks":[[3]])", "chunks[0]"},
      {R"("chunks":[[1,2],[1,2,3]])", "chunks[1]"},
      {R"("chunks":[[4,3]])", "chunks[0]"},
      {R"("chunks":[[-1,3]])", "chunks[0]"},
      {R"("chunks":[[0.0,3]])", "chunks[0]"},
      {R"("chunk":1,"status":"good")", "status"},
      {R"("chunk":1,"status":true)", "status"},
      {R"("status":"mismatch")", "status"},
      {R"("percent":-1)", "percent"},
      {R"("percent":101)", "percent"},
      {R"("percent":"50")", "percent"},
      {R"("percent":true)", "percent"},
      {R"("state":"asleep")", "state"},
      {R"("state":3)", "state"},
      {R"("state":"postponed")", "until"},
      {R"("state":"postponed","until":null)", "until"},
      {R"("state":"postponed","until":"tomorrow")", "until"},
      {R"("state":"postponed","until":"2026-02-30T08:00:00Z")", "until"},
      {R"("state":"postponed","until":1795680000)", "until"},
  };
  for (const auto& [fields, name] : bad) {
    const auto payload = with_task(fields);
    const auto decoded = decode_progress(payload);
    expect_bad(decoded, payload, name);
    if (name != "message") {
      EXPECT_EQ(decoded.task, (TaskId{20261122, 42})) << "the answer names the task";
    }
  }
  std::string many = R"("chunks":[[0,0])";
  for (std::size_t i = 0; i < kMaxRanges; ++i) many += ",[0,0]";
  expect_bad(decode_progress(with_task(many + "]")), "too many ranges", "chunks");
}

TEST(DecodeProgress, WhatOnlyInformsSpoilsNothing) {
  for (const auto* odd :
       {R"("rtt_ms":-1)", R"("rtt_ms":"1")", R"("rtt_ms":[])", R"("rssi":true)", R"("rssi":1e300)", R"("loss":1.5)",
        R"("loss":-0.1)", R"("loss":null)", R"("transport":"lte")", R"("transport":7)", R"("reason":null)"}) {
    const auto decoded = decode_progress(with_task(fmt::format(R"("chunk":17,{})", odd)));
    ASSERT_TRUE(decoded.message) << odd;
    const auto& report = *decoded.message;
    EXPECT_EQ(report.chunks, (ChunkRanges{{17, 17}})) << odd;
    EXPECT_FALSE(report.link.rtt_ms || report.link.rssi || report.link.loss || report.transport) << odd;
    EXPECT_EQ(report.reason, "");
  }
  const auto half = decode_progress(with_task(R"("rtt_ms":-1,"rssi":-71)"));
  EXPECT_EQ(half.message.value().link.rssi, -71) << "what stands beside it stays";
}

TEST(DecodeProgress, ReasonsAreCutAtACharacter) {
  const auto reason_of = [](const nlohmann::json& reason) {
    const auto text =
        nlohmann::json{{"task_id", "OTA_20261122_000042"}, {"state", "failed"}, {"reason", reason}}.dump();
    const auto decoded = decode_progress(text);
    EXPECT_TRUE(decoded.message) << text;
    EXPECT_EQ(decoded.message->state, DeviceState::failed);
    return decoded.message->reason;
  };
  EXPECT_EQ(reason_of(std::string(1024, 'r')), std::string(1024, 'r'));
  EXPECT_EQ(reason_of(std::string(50'000, 'r')), std::string(1024, 'r'));
  EXPECT_EQ(reason_of(std::string(1023, 'r') + "é"), std::string(1023, 'r'));
  EXPECT_EQ(reason_of(28), "28");
  EXPECT_EQ(reason_of({{"code", 28}}), R"({"code":28})");
}

TEST(DecodeProgress, BlankFieldsAreNone) {
  const auto decoded = decode_progress(
      with_task(R"("chunk":null,"chunks":[],"status":"","percent":null,"state":null,"reason":"","transport":"")"));
  ASSERT_TRUE(decoded.message);
  EXPECT_TRUE(decoded.message->chunks.empty());
  EXPECT_FALSE(decoded.message->percent || decoded.message->state);
}

TEST(DecodeProgress, IndexesThatNoTaskHas) {
  for (const auto* fields : {R"("chunk":65536)", R"("chunks":[[0,65536]])", R"("chunks":[[65536,99999999]])"})
    expect_bad(decode_progress(with_task(fields)), fields, "65535", Errc::bad_chunk_range);
  EXPECT_TRUE(decode_progress(with_task(R"("chunk":65535)")).message);
}

TEST(DecodeProgress, RefusesBadTaskIds) {
  for (const auto* id :
       {"null", "42", "\"\"", "\"OTA_20261122_42\"", "\"ota_20261122_000042\"", "\"OTA_20261322_000042\"",
        "\"OTA_20261122_000000\"", "\"OTA_20261122_0000042\"", "\"OTA_20261122_000042 \""}) {
    const auto payload = fmt::format(R"({{"task_id":{},"chunk":1}})", id);
    const auto decoded = decode_progress(payload);
    expect_bad(decoded, payload, "task_id");
    EXPECT_FALSE(decoded.task);
  }
  expect_bad(decode_progress("{}"), "{}", "\"task_id\" is missing");
  expect_bad(decode_progress(""), "empty", "message");
}

TEST(DecodeVerify, ReadsAll) {
  const auto decoded =
      decode_verify(with_task(fmt::format(R"("attempt":2,"checksum":"sha256:{}","bad_chunks":[[17,18]])", kHex)));
  ASSERT_TRUE(decoded.message);
  EXPECT_EQ(decoded.message->attempt, 2);
  EXPECT_EQ(to_hex(decoded.message->checksum), kHex);
  EXPECT_EQ(decoded.message->bad_chunks, (ChunkRanges{{17, 18}}));
}

TEST(DecodeVerify, DigestsAreReadInEitherCase) {
  for (const auto* prefix : {"sha256:", "SHA256:"}) {
    const auto decoded = decode_verify(with_task(fmt::format(R"("checksum":"{}{}")", prefix, std::string(64, 'A'))));
    ASSERT_TRUE(decoded.message) << prefix;
    EXPECT_EQ(to_hex(decoded.message->checksum), kHex);
  }
}

TEST(DecodeVerify, EmptyBadChunksSayNothing) {
  const auto decoded = decode_verify(with_task(fmt::format(R"("checksum":"sha256:{}","bad_chunks":[])", kHex)));
  ASSERT_TRUE(decoded.message);
  EXPECT_FALSE(decoded.message->bad_chunks);
  EXPECT_FALSE(decoded.message->attempt);
}

TEST(DecodeVerify, RefusesChecksums) {
  const std::string wrong[] = {"1",
                               "null",
                               "\"\"",
                               '"' + kHex + '"',
                               "\"sha256:" + kHex + "0\"",
                               "\"sha256:" + kHex.substr(1) + '"',
                               "\"sha512:" + kHex + '"',
                               "\"sha256:" + std::string(64, 'g') + '"',
                               "\"sha256: " + kHex + '"',
                               "\"" + std::string(300, 's') + "\""};
  for (const auto& text : wrong) expect_bad(decode_verify(with_task("\"checksum\":" + text)), text, "\"checksum\"");
  expect_bad(decode_verify(with_task("\"x\":1")), "none", "\"checksum\" is missing");
}

TEST(DecodeVerify, RefusesTheRest) {
  const Bad bad[] = {{R"("attempt":0)", "attempt"},       {R"("attempt":"1")", "attempt"},
                     {R"("attempt":1.0)", "attempt"},     {R"("attempt":99999999999)", "attempt"},
                     {R"("bad_chunks":1)", "bad_chunks"}, {R"("bad_chunks":[1])", "bad_chunks[0]"}};
  for (const auto& [fields, name] : bad)
    expect_bad(decode_verify(with_task(fmt::format(R"("checksum":"sha256:{}",{})", kHex, fields))), fields, name);
  expect_bad(decode_verify(with_task(fmt::format(R"("checksum":"sha256:{}","bad_chunks":[[0,70000]])", kHex))), "past",
             "bad_chunks", Errc::bad_chunk_range);
}

TEST(Decode, MutatedMessagesAreReadOrRefused) {
  const std::string seeds[] = {
      R"({"version":"1.4.0","current_version":"1.3.2","hardware":"gw-a","transports":["http"],"max_chunk_bytes":65536})",
      with_task(
          R"("chunks":[[0,3],[9,12]],"status":"mismatch","percent":12,"rtt_ms":4.5,"state":"failed","reason":"x")"),
      with_task(fmt::format(R"("attempt":1,"checksum":"sha256:{}","bad_chunks":[[17,18]])", kHex))};
  std::mt19937 random(11);
  int read = 0;
  for (int round = 0; round < 30'000; ++round) {
    auto text = seeds[random() % 3];
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      const auto at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        case 2:
          text.insert(at, 1, "0123456789-.e\"[]{}:,n"[random() % 21]);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
          break;
      }
      if (text.empty()) text = "{}";
    }
    const auto request = decode_request(text);
    const auto progress = decode_progress(text);
    const auto verify = decode_verify(text);
    if (progress.message) {
      ++read;
      for (const auto& range : progress.message->chunks)
        EXPECT_TRUE(range.first <= range.last && range.last < kMaxChunks);
      EXPECT_TRUE(!progress.message->percent || (*progress.message->percent >= 0 && *progress.message->percent <= 100));
    } else {
      EXPECT_TRUE(progress.message.error().code == Errc::bad_message ||
                  progress.message.error().code == Errc::bad_chunk_range);
      EXPECT_FALSE(progress.message.error().message.empty());
    }
    if (!request.message) {
      EXPECT_EQ(request.message.error().code, Errc::bad_message);
    }
    if (verify.message) {
      EXPECT_TRUE(verify.task);
    }
  }
  EXPECT_GT(read, 100) << "some mutations leave a message whole";
}

}  // namespace
}  // namespace ota::device
