// POST /firmware/upgrade: what is taken, and each refusal with the field's name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Json = nlohmann::json;
using testing::ElementsAre;

constexpr const char* kPath = "/firmware/upgrade";

Json small() { return {{"device_id", "gw-17"}, {"firmware_version", "1.4.0"}}; }

engine::UpgradeOutcome made(const Clock& clock) {
  engine::UpgradeOutcome outcome;
  outcome.task.id = TaskId{20261122, 42};
  outcome.task.device = "gw-17";
  outcome.task.version = "1.4.0";
  outcome.task.priority = Priority::high;
  outcome.task.created = clock.wall();
  outcome.created = true;
  return outcome;
}

class Upgrade : public testing::Test {
 protected:
  Upgrade() { bench.engine.outcome = made(bench.clock); }
  Seen post(const Json& body, std::map<std::string, std::string> headers = {}) {
    return bench.call(Method::post, kPath, body.dump(), std::move(headers));
  }
  Bench bench;
};

TEST_F(Upgrade, TheLeastThatIsNeeded) {
  const auto seen = post(small());
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), "/tasks/OTA_20261122_000042");
  EXPECT_EQ(seen.reply.body,
            R"({"task_id":"OTA_20261122_000042","status":"queued","device_id":"gw-17","firmware_version":"1.4.0",)"
            R"("priority":"high","created_at":"2026-11-22T08:30:00Z"})"
            "\n");
  const auto& order = bench.engine.order.value();
  EXPECT_EQ(order.device, "gw-17");
  EXPECT_EQ(order.version, "1.4.0");
  EXPECT_FALSE(order.hardware || order.chunk_bytes || order.checksum || order.priority || order.not_before ||
               order.expires_at || order.confirm || order.force);
  EXPECT_EQ(order.idempotency_key, "");
}

TEST_F(Upgrade, AllThatCanBeSaid) {
  const std::string digest(64, 'a');
  auto body = small();
  body.update(Json{{"chunk_size", 16384},
                   {"checksum", "sha256:" + digest},
                   {"priority", "security"},
                   {"hardware", "gw-a"},
                   {"not_before", "2026-11-22T10:00:00+01:00"},
                   {"expires_at", "2026-11-23T00:00:00Z"},
                   {"confirm", true},
                   {"force", true}});
  ASSERT_EQ(post(body, {{"Content-Type", "application/json; charset=utf-8"}}).reply.status, 201u);
  const auto& order = bench.engine.order.value();
  EXPECT_EQ(order.hardware, "gw-a");
  EXPECT_EQ(order.chunk_bytes, 16384u * 1024u);
  EXPECT_EQ(to_hex(order.checksum.value()), digest);
  EXPECT_EQ(order.priority, Priority::security);
  EXPECT_EQ(to_rfc3339(order.not_before.value()), "2026-11-22T09:00:00Z");
  EXPECT_EQ(to_rfc3339(order.expires_at.value()), "2026-11-23T00:00:00Z");
  EXPECT_EQ(order.confirm, Confirm::always);
  EXPECT_TRUE(order.force);
}

TEST_F(Upgrade, TheRunningTaskIsAnsweredWithItsState) {
  bench.engine.outcome->created = false;
  bench.engine.outcome->state = TaskState::downloading;
  const auto seen = post(small());
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.header("Location"), "");
  EXPECT_EQ(seen.json["status"], "downloading");
}

TEST_F(Upgrade, AnUnknownVersionIsAnsweredWithTheVersionsThatExist) {
  bench.engine.outcome = fail(Errc::no_such_firmware, "there is no firmware 1.4.0");
  auto seen = post(small());
  EXPECT_EQ(seen.reply.status, 404u);
  EXPECT_EQ(seen.json["detail"], "there is no firmware 1.4.0; no firmware is uploaded yet");
  auto& table = bench.db->firmware();
  for (const auto& [version, hardware] : std::vector<std::pair<std::string, std::string>>{
           {"1.0.0", "gw-a"}, {"1.1.0", "gw-a"}, {"1.1.0", "gw-b"}, {"1.2.0", ""}}) {
    Firmware row;
    row.version = version;
    row.hardware = hardware;
    row.size = 1;
    row.created = bench.clock.wall();
    bench.write([&] { table.insert(row); });
  }
  seen = post(small());
  EXPECT_EQ(seen.reply.status, 404u);
  EXPECT_EQ(seen.json["detail"], "there is no firmware 1.4.0; the newest versions are 1.2.0, 1.1.0, 1.0.0");
}

TEST_F(Upgrade, EachWrongFieldIsNamed) {
  const std::string hex(64, 'a');
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"device_id", ""},
      {"device_id", "a b"},
      {"device_id", 5},
      {"device_id", nullptr},
      {"device_id", std::string(129, 'x')},
      {"device_id", "../etc"},
      {"firmware_version", ""},
      {"firmware_version", "1/2"},
      {"firmware_version", ".."},
      {"firmware_version", "1\n2"},
      {"firmware_version", std::string(10'000, '1')},
      {"firmware_version", 1.4},
      {"chunk_size", 0},
      {"chunk_size", -1},
      {"chunk_size", 16385},
      {"chunk_size", "512"},
      {"chunk_size", 1.5},
      {"chunk_size", 9223372036854775808ull},
      {"chunk_size", nullptr},
      {"checksum", hex},
      {"checksum", "sha512:" + hex},
      {"checksum", "sha256:" + std::string(64, 'g')},
      {"checksum", "sha256:" + hex.substr(1)},
      {"checksum", 7},
      {"priority", "urgent"},
      {"priority", "Security"},
      {"priority", 1},
      {"hardware", "a b"},
      {"hardware", std::string(65, 'h')},
      {"not_before", "tomorrow"},
      {"not_before", "2026-11-22"},
      {"not_before", 5},
      {"expires_at", "2026-02-30T00:00:00Z"},
      {"confirm", "yes"},
      {"confirm", 1},
      {"force", "true"},
      {"frce", true},
      {"Device_id", "x"},
  };
  for (const auto& [field, value] : wrong) {
    auto body = small();
    body[field] = value;
    const auto seen = post(body);
    SCOPED_TRACE(body.dump());
    EXPECT_EQ(seen.reply.status, 422u);
    EXPECT_EQ(seen.code(), "malformed");
    EXPECT_THAT(seen.fields(), ElementsAre(field));
  }
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST_F(Upgrade, MissingFieldsAreNamedTogether) {
  const auto seen = post(Json::object());
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_THAT(seen.fields(), ElementsAre("device_id", "firmware_version"));
}

TEST_F(Upgrade, TimesAreTheEnginesToJudgeSoThatARepeatGetsTheFirstAnswer) {
  auto body = small();
  body["expires_at"] = "2026-11-22T08:29:59Z";
  EXPECT_EQ(post(body, {{"Content-Type", "application/json"}, {"Idempotency-Key", "k"}}).reply.status, 201u);
  EXPECT_EQ(to_rfc3339(bench.engine.order.value().expires_at.value()), "2026-11-22T08:29:59Z");
}

TEST_F(Upgrade, ADowngradePermissionHasItsFourTexts) {
  auto body = small();
  body["downgrade_permission"] = {
      {"key_id", "vendor"}, {"value", "c2ln"}, {"device", "*"}, {"expires", "2026-12-01T00:00:00Z"}};
  ASSERT_EQ(post(body).reply.status, 201u);
  EXPECT_EQ(bench.engine.order.value().downgrade,
            (DowngradePermission{"*", "2026-12-01T00:00:00Z", {"vendor", "c2ln"}}));
  body["downgrade_permission"].erase("expires");
  EXPECT_THAT(post(body).fields(), ElementsAre("downgrade_permission"));
  body["downgrade_permission"] = "yes";
  EXPECT_THAT(post(body).fields(), ElementsAre("downgrade_permission"));
}

TEST_F(Upgrade, BodiesThatAreNoObject) {
  for (const auto* body : {"", "[]", "5", "{", "{\"device_id\":\"a\",\"device_id\":\"b\"}", "\xff", "{}{}"}) {
    const auto seen = bench.call(Method::post, kPath, body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_EQ(seen.reply.content_type, "application/problem+json");
  }
  EXPECT_EQ(bench.call(Method::post, kPath, std::string(64 * 1024 + 1, ' ')).reply.status, 413u);
  EXPECT_THAT(bench
                  .call(Method::post, kPath, small().dump(),
                        {{"Content-Type", "text/plain"}, {"Origin", "http://localhost:8080"}})
                  .fields(),
              ElementsAre("Content-Type"));
  EXPECT_THAT(bench.call(Method::post, std::string(kPath) + "?force=true", small().dump()).fields(),
              ElementsAre("force"));
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST_F(Upgrade, JsonByItsType) {
  const auto status = [&](std::map<std::string, std::string> headers) {
    return post(small(), std::move(headers)).reply.status;
  };
  const auto* form = "application/x-www-form-urlencoded";  // what curl -d says
  for (const auto* type : {"", "application/json", "application/vnd.x+json", form})
    EXPECT_EQ(status({{"Content-Type", type}}), 201u) << type;
  for (const auto* type : {"text/plain", "multipart/form-data; boundary=x", "application/octet-stream", "x"})
    EXPECT_EQ(status({{"Content-Type", type}}), 415u) << type;
  for (const auto* header : {"Origin", "Sec-Fetch-Site"}) {
    const auto* own = std::string(header) == "Origin" ? "http://localhost:8080" : "same-origin";
    EXPECT_EQ(status({{"Content-Type", "application/json"}, {header, own}}), 201u);
    for (const auto* type : {"", form}) EXPECT_EQ(status({{"Content-Type", type}, {header, own}}), 415u) << type;
  }
}

TEST_F(Upgrade, IdempotencyKey) {
  ASSERT_EQ(post(small(), {{"Idempotency-Key", "order-4711"}}).reply.status, 201u);
  EXPECT_EQ(bench.engine.order->idempotency_key, "order-4711");
  EXPECT_EQ(bench.engine.order->body_digest, firmware::sha256(small().dump()));
  for (const auto& key :
       {std::string("with blank"), std::string("tab\there"), std::string(256, 'k'), std::string("\xc3\xa4")}) {
    const auto seen = post(small(), {{"Idempotency-Key", key}});
    EXPECT_EQ(seen.reply.status, 422u) << key;
    EXPECT_THAT(seen.fields(), ElementsAre("Idempotency-Key"));
  }
  EXPECT_EQ(post(small(), {{"Idempotency-Key", std::string(255, 'k')}}).reply.status, 201u);
}

TEST_F(Upgrade, WhatTheEngineRefuses) {
  const std::vector<std::tuple<Errc, unsigned, std::string>> refusals = {
      {Errc::no_such_firmware, 404, "no_such_firmware"},
      {Errc::unknown_device, 404, "unknown_device"},
      {Errc::checksum_differs, 409, "checksum_differs"},
      {Errc::wrong_hardware, 409, "wrong_hardware"},
      {Errc::downgrade, 409, "downgrade"},
      {Errc::already_installed, 409, "already_installed"},
      {Errc::key_reused, 422, "key_reused"},
      {Errc::overloaded, 503, "overloaded"},
      {Errc::server_fault, 503, "server_fault"}};
  for (const auto& [errc, status, code] : refusals) {
    bench.engine.outcome = fail(errc, "because");
    const auto seen = post(small());
    EXPECT_EQ(seen.reply.status, status) << code;
    EXPECT_EQ(seen.code(), code);
    EXPECT_EQ(seen.json["detail"],
              errc == Errc::no_such_firmware ? "because; no firmware is uploaded yet" : "because");
  }
}

}  // namespace
}  // namespace ota::rest::test
