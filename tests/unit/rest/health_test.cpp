// Health, readiness and metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "rest/metrics_text.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using testing::HasSubstr;

TEST(Health, Alive) {
  Bench bench;
  EXPECT_EQ(bench.get("/healthz").json["status"], "ok");
}

TEST(Health, WarnsBeforeTheCertificateEnds) {
  Bench bench;
  EXPECT_FALSE(bench.get("/readyz").json["checks"].contains("certificate")) << "without TLS";
  const auto certificate = [&](std::chrono::seconds left) {
    const auto end = std::chrono::floor<std::chrono::seconds>(bench.clock.wall()) + left;
    bench.http.certificate_end = end.time_since_epoch().count();
    const auto seen = bench.get("/readyz");
    EXPECT_EQ(seen.reply.status, 200u);
    EXPECT_EQ(seen.json["checks"]["certificate"]["ok"], true);
    return seen.json["checks"]["certificate"];
  };
  using std::chrono::days;
  EXPECT_FALSE(certificate(days{31}).contains("warning"));
  EXPECT_EQ(certificate(days{30} - std::chrono::seconds{2})["warning"], true);
  EXPECT_THAT(certificate(days{3} + std::chrono::seconds{2})["detail"].get<std::string>(), HasSubstr("in 3 days"));
  EXPECT_THAT(certificate(-days{1})["detail"].get<std::string>(), HasSubstr("it has ended"));
}

TEST(Health, ReadyNamesEachCheck) {
  Bench bench;
  auto seen = bench.get("/readyz");
  EXPECT_EQ(seen.reply.status, 200u) << seen.reply.body;
  EXPECT_EQ(seen.json["status"], "ready");
  for (const auto* name : {"broker", "database", "disk", "images"}) {
    EXPECT_EQ(seen.json["checks"][name]["ok"], true) << name;
    EXPECT_FALSE(seen.json["checks"][name]["detail"].get<std::string>().empty()) << name;
  }
  bench.broker.connected = false;
  bench.broker.detail = "connection refused: is the broker running?";
  seen = bench.get("/readyz");
  EXPECT_EQ(seen.reply.status, 503u);
  EXPECT_EQ(seen.json["status"], "not_ready");
  EXPECT_EQ(seen.json["checks"]["broker"]["ok"], false);
  EXPECT_EQ(seen.json["checks"]["broker"]["detail"], bench.broker.detail);
  EXPECT_EQ(seen.json["checks"]["database"]["ok"], true);
  bench.broker.connected = true;
  bench.engine.counters.fault = "disk I/O error";
  seen = bench.get("/readyz");
  EXPECT_EQ(seen.reply.status, 503u);
  EXPECT_EQ(seen.json["checks"]["database"]["detail"], "disk I/O error");
}

TEST(Health, ADamagedImageIsToldByName) {
  Bench bench;
  Firmware firmware;
  firmware.version = "1.4.0";
  firmware.hardware = "gw-a";
  firmware.size = 1;
  firmware.damaged = true;
  auto& table = bench.db->firmware();
  bench.write([&] { table.insert(firmware); });
  bench.engine.counters.damaged = 1;
  const auto seen = bench.get("/readyz");
  EXPECT_EQ(seen.reply.status, 503u);
  EXPECT_THAT(seen.json["checks"]["images"]["detail"].get<std::string>(),
              testing::AllOf(HasSubstr("1.4.0"), HasSubstr("gw-a"), HasSubstr("upload it again")));
  EXPECT_THAT(bench.get("/metrics").reply.body, HasSubstr("\notad_firmware_damaged 1\n"));
}

TEST(Health, AMissingImageIsToldByNameAndByCode) {
  Bench bench;
  auto& table = bench.db->firmware();
  std::vector<firmware::KnownImage> known;
  for (const auto* version : {"1.4.0", "1.5.0"}) {
    Firmware firmware;
    firmware.version = version;
    firmware.hardware = "gw-a";
    firmware.size = 1;
    firmware.checksum.fill(static_cast<std::uint8_t>(version[2]));
    bench.write([&] { table.insert(firmware); });
    if (known.empty()) known.push_back({firmware.checksum, firmware.size, false});
  }
  bench.store->reconcile(known);
  const auto seen = bench.get("/readyz");
  EXPECT_EQ(seen.reply.status, 503u);
  EXPECT_EQ(seen.json["checks"]["images"]["code"], "image_missing");
  EXPECT_THAT(seen.json["checks"]["images"]["detail"].get<std::string>(),
              testing::AllOf(HasSubstr("image_missing"), HasSubstr("1.4.0"), testing::Not(HasSubstr("1.5.0"))));
}

TEST(Health, ARowThatCannotBeReadIsTold) {
  Bench bench;
  storage::bad_rows().note(storage::BadRow("devices", "gw-odd", "secret is no SHA-256"));
  const auto seen = bench.get("/readyz");
  storage::bad_rows().forget("devices", "gw-odd");
  EXPECT_EQ(seen.reply.status, 503u);
  EXPECT_EQ(seen.json["checks"]["database"]["code"], "bad_rows");
  EXPECT_THAT(seen.json["checks"]["database"]["detail"].get<std::string>(), HasSubstr("devices gw-odd"));
  EXPECT_EQ(bench.get("/readyz").reply.status, 200u);
}

TEST(Metrics, EachLineIsWellFormedAndEachNameIntroducedOnce) {
  Bench bench;
  bench.engine.counters.tasks_created = 12;
  bench.get("/nowhere");
  const auto seen = bench.get("/metrics");
  EXPECT_EQ(seen.reply.content_type, "text/plain; version=0.0.4");
  EXPECT_THAT(seen.reply.body, HasSubstr("\notad_tasks_created_total 12\n"));
  EXPECT_THAT(seen.reply.body, HasSubstr("otad_api_requests_total{status=\"404\"} 1\n"));
  EXPECT_THAT(seen.reply.body, HasSubstr("\notad_mqtt_connected 1\n"));
  const std::regex sample(R"(([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)");
  const std::regex of_histogram("(.+)_(bucket|sum|count)");
  const std::regex comment(R"(# (HELP|TYPE) ([a-z_]+) .+)");
  std::map<std::string, int> types;
  std::string line;
  for (std::istringstream lines(seen.reply.body); std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_match(line, found, comment)) {
      if (found[1] == "HELP") continue;
      EXPECT_EQ(++types[found[2]], 1) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, found, sample)) << line;
      std::string name = found[1];
      std::smatch part;
      const std::string whole = name;
      if (types.count(whole) == 0 && std::regex_match(whole, part, of_histogram)) name = part[1];
      EXPECT_EQ(types.count(name), 1u) << line;
    }
  }
  EXPECT_GT(types.size(), 25u);
}

TEST(Metrics, TheProcessHasMemoryAndFiles) {
  const auto process = process_metrics();
  EXPECT_GT(process.resident_bytes, 1u << 20);
  EXPECT_GE(process.open_files, 3u);
  EXPECT_GE(process.max_files, process.open_files);
  EXPECT_GT(process.cpu_seconds, 0);
}

}  // namespace
}  // namespace ota::rest::test
