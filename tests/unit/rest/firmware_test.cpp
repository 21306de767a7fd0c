// The catalogue and uploads, over a real image store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using testing::ElementsAre;
using testing::HasSubstr;

std::string image(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  return bytes;
}

std::string checksum(const std::string& bytes) { return to_checksum(firmware::sha256(bytes)); }

Firmware row_of(const std::string& bytes, const std::string& version, const std::string& hardware) {
  Firmware firmware;
  firmware.version = version;
  firmware.hardware = hardware;
  firmware.size = bytes.size();
  firmware.checksum = firmware::sha256(bytes);
  firmware.created = WallTime{Millis{1'795'336'200'000}};
  return firmware;
}

TEST(Upload, StreamsTheBodyIntoTheStore) {
  Bench bench;
  const auto bytes = image(1'300'001);
  for (const std::size_t piece : {std::size_t{999}, std::size_t{262'144}, std::size_t{5'000'000}}) {
    HandRequest request(Method::post,
                        "/firmware?version=1.0.0%2Bb" + std::to_string(piece) +
                            "&hardware=gw-a&security=true&notes=first+light&checksum=" + checksum(bytes),
                        bytes);
    request.piece = piece;
    const auto seen = bench.handle(request);
    ASSERT_EQ(seen.reply.status, 201u) << seen.reply.body;
    EXPECT_EQ(seen.header("Location"), "/firmware/7");
    EXPECT_EQ(seen.json["checksum"], checksum(bytes));
    EXPECT_EQ(seen.json["size"], bytes.size());
    EXPECT_EQ(seen.json["version"], "1.0.0+b" + std::to_string(piece));
    EXPECT_EQ(seen.json["security"], true);
    EXPECT_EQ(seen.json["notes"], "first light");
    EXPECT_EQ(seen.json["damaged"], false);
    EXPECT_EQ(seen.json["filename"], "gw-a-1.0.0+b" + std::to_string(piece) + ".bin");
    EXPECT_EQ(seen.json["sha1"].get<std::string>().size(), 40u);
    EXPECT_EQ(seen.json["md5"].get<std::string>().size(), 32u);
    EXPECT_TRUE(seen.json["signature"].is_null());
  }
  const auto stored = bench.store->image(firmware::sha256(bytes));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->size(), bytes.size());
}

TEST(Upload, NamesTheFile) {
  Bench bench;
  EXPECT_EQ(bench.call(Method::post, "/firmware?version=1.0.0&filename=gw.raucb", image(10)).json["filename"],
            "gw.raucb");
  const auto seen = bench.call(Method::post, "/firmware?version=2:1~rc", "abc");
  EXPECT_EQ(seen.json["filename"], "firmware-2_1_rc.bin");
  EXPECT_EQ(seen.json["sha1"], "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(seen.json["md5"], "900150983cd24fb0d6963f7d28e17f72");
  const auto swu = "070702" + std::string(104, '0') + "sw-description";
  EXPECT_EQ(bench.call(Method::post, "/firmware?version=1.0.0&hardware=gw-a", swu).json["filename"],
            "gw-a-1.0.0.swu");
}

TEST(Upload, SameContentAgainIs200) {
  Bench bench;
  bench.engine.created = false;
  const auto seen = bench.call(Method::post, "/firmware?version=1.0.0", image(10));
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.header("Location"), "");
}

TEST(Upload, OtherContentOfAVersionLeavesNothing) {
  Bench bench;
  auto& table = bench.db->firmware();
  auto row = row_of(image(10), "1.0.0", "gw-a");
  bench.write([&] { table.insert(row); });
  const auto before = bench.files_in_store();
  const auto seen = bench.call(Method::post, "/firmware?version=1.0.0&hardware=gw-a", image(11));
  EXPECT_EQ(seen.reply.status, 409u);
  EXPECT_EQ(seen.code(), "version_exists");
  EXPECT_EQ(bench.engine.commands, 0);
  EXPECT_EQ(bench.files_in_store(), before);
}

TEST(Upload, CutOffLeavesNothing) {
  Bench bench;
  const auto before = bench.files_in_store();
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{262'144}, std::size_t{700'000}}) {
    HandRequest request(Method::post, "/firmware?version=1.0.0", image(1'000'000));
    request.cut_at = at;
    const auto seen = bench.handle(request);
    EXPECT_EQ(seen.code(), "cancelled") << at;
  }
  EXPECT_EQ(bench.files_in_store(), before);
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST(Upload, WrongChecksumIs422AndLeavesNothing) {
  Bench bench;
  const auto before = bench.files_in_store();
  const auto seen = bench.call(Method::post, "/firmware?version=1.0.0&checksum=" + checksum("x"), image(100));
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_EQ(seen.code(), "checksum_differs");
  EXPECT_EQ(seen.json["status"], 422);
  EXPECT_THAT(seen.fields(), ElementsAre("checksum"));
  EXPECT_EQ(bench.files_in_store(), before);
}

TEST(Upload, TooLargeIsRefusedBeforeTheBodyIsRead) {
  auto options = Bench::no_auth();
  options.max_upload_bytes = 1000;
  Bench bench(options);
  HandRequest announced(Method::post, "/firmware?version=1.0.0", image(1001));
  announced.length = 1001;
  EXPECT_EQ(bench.handle(announced).reply.status, 413u);
  EXPECT_EQ(announced.taken(), 0u);
  HandRequest chunked(Method::post, "/firmware?version=1.0.0", image(1001));
  EXPECT_EQ(bench.handle(chunked).code(), "too_large");
  HandRequest fits(Method::post, "/firmware?version=1.0.0", image(1000));
  fits.length = 1000;
  EXPECT_EQ(bench.handle(fits).reply.status, 201u);
}

TEST(Upload, MoreThanTheDiskHoldsIs507) {
  auto options = Bench::no_auth();
  options.max_upload_bytes = ~0ull;
  Bench bench(options);
  HandRequest request(Method::post, "/firmware?version=1.0.0", image(10));
  request.length = 1ull << 60;
  EXPECT_EQ(bench.handle(request).reply.status, 507u);
  EXPECT_EQ(request.taken(), 0u);
}

TEST(Upload, AnEmptyImageIsNone) {
  Bench bench;
  const auto seen = bench.call(Method::post, "/firmware?version=1.0.0", "");
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_EQ(seen.code(), "malformed");
}

TEST(Upload, WrongQueriesNameTheField) {
  Bench bench;
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "version"},
      {"version=", "version"},
      {"version=1%2F2", "version"},
      {"version=..", "version"},
      {"version=1%0A2", "version"},
      {"version=" + std::string(200, '1'), "version"},
      {"version=1+2", "version"},
      {"version=1&hardware=a%20b", "hardware"},
      {"version=1&checksum=abc", "checksum"},
      {"version=1&filename=", "filename"},
      {"version=1&filename=.swu", "filename"},
      {"version=1&filename=-a", "filename"},
      {"version=1&filename=a%2Fb", "filename"},
      {"version=1&filename=a%20b", "filename"},
      {"version=1&filename=a%22b", "filename"},
      {"version=1&filename=a%0Ab", "filename"},
      {"version=1&filename=" + std::string(201, 'a'), "filename"},
      {"version=1&checksum=sha512:" + std::string(64, 'a'), "checksum"},
      {"version=1&checksum=sha256:" + std::string(64, 'g'), "checksum"},
      {"version=1&security=yes", "security"},
      {"version=1&notes=" + std::string(2001, 'n'), "notes"},
      {"version=1&notes=%ff", "notes"},
      {"version=1&notes=a%00b", "notes"},
      {"version=1&signature=AAAA", "key_id"},
      {"version=1&key_id=k", "signature"},
      {"version=1&secutiry=true", "secutiry"},
      {"version=1&version=2", "version"}};
  for (const auto& [query, field] : wrong) {
    HandRequest request(Method::post, "/firmware?" + query, image(10));
    const auto seen = bench.handle(request);
    EXPECT_EQ(seen.reply.status, 422u) << query;
    ASSERT_FALSE(seen.fields().empty()) << query;
    EXPECT_THAT(seen.fields(), testing::Contains(field)) << query;
    EXPECT_EQ(request.taken(), 0u) << query;
  }
  HandRequest form(Method::post, "/firmware?version=1", image(10));
  form.headers["Content-Type"] = "multipart/form-data; boundary=x";
  EXPECT_THAT(bench.handle(form).fields(), ElementsAre("Content-Type"));
}

TEST(Upload, SignaturesAreCheckedAndCanBeRequired) {
  Bench bench;
  const auto signature = std::string(85, 'A') + "Q%3D%3D";
  const auto seen = bench.call(Method::post, "/firmware?version=1.0.0&key_id=k&signature=" + signature, image(10));
  EXPECT_EQ(seen.reply.status, 422u) << seen.reply.body;
  EXPECT_EQ(seen.code(), "signature_invalid");
  bench.trust->set({}, true);  // while it runs
  HandRequest unsigned_image(Method::post, "/firmware?version=1.0.0", image(10));
  const auto refused = bench.handle(unsigned_image);
  EXPECT_EQ(refused.reply.status, 422u);
  EXPECT_EQ(refused.code(), "signature_invalid");
  EXPECT_EQ(unsigned_image.taken(), 0u);
}

TEST(Catalogue, ListAndOne) {
  Bench bench;
  auto& table = bench.db->firmware();
  auto old = row_of(image(10), "1.0.0", "gw-a");
  auto fresh = row_of(image(11), "1.1.0", "");
  fresh.signature = FirmwareSignature{"vendor", "c2ln"};
  bench.write([&] {
    table.insert(old);
    table.insert(fresh);
  });
  const auto list = bench.get("/firmware?limit=1");
  ASSERT_EQ(list.json["items"].size(), 1u);
  EXPECT_EQ(list.json["items"][0]["version"], "1.1.0");
  const auto rest = bench.get("/firmware?cursor=" + list.json["next"].get<std::string>());
  EXPECT_EQ(rest.json["items"][0]["version"], "1.0.0");
  EXPECT_TRUE(rest.json["next"].is_null());

  const auto one = bench.get("/firmware/" + std::to_string(fresh.id));
  EXPECT_EQ(one.json, nlohmann::json::parse(R"({"id":2,"version":"1.1.0","hardware":null,"size":11,"checksum":")" +
                                            checksum(image(11)) +
                                            R"(","security":false,"notes":"","signature":{"algorithm":"ed25519",)"
                                            R"("key_id":"vendor","value":"c2ln"},"created_at":"2026-11-22T08:30:00Z",)"
                                            R"("damaged":false,"blocked":false,"blocked_reason":null,)"
                                            R"("filename":null,"sha1":null,"md5":null})"));
  for (const auto* id : {"99", "x", "-1", "01", "99999999999999999999"})
    EXPECT_EQ(bench.get(std::string("/firmware/") + id).code(), "no_such_firmware") << id;
}

TEST(Catalogue, Delete) {
  Bench bench;
  EXPECT_EQ(bench.call(Method::delete_, "/firmware/5").reply.status, 204u);
  EXPECT_EQ(bench.engine.removed, 5);
  bench.engine.trouble = fail(Errc::in_use, "tasks need it");
  EXPECT_EQ(bench.call(Method::delete_, "/firmware/5").reply.status, 409u);
  bench.engine.trouble = fail(Errc::not_found, "no such");
  EXPECT_EQ(bench.call(Method::delete_, "/firmware/5").reply.status, 404u);
  EXPECT_EQ(bench.call(Method::delete_, "/firmware/x").reply.status, 404u);
}

TEST(Orphans, AreNamed) {
  Bench bench;
  const std::string name = std::string(64, 'a') + ".img";
  EXPECT_EQ(bench.get("/firmware/orphans").json["items"].size(), 0u);
  std::ofstream(bench.dir.path() / "firmware" / name) << "12345";
  const auto seen = bench.get("/firmware/orphans");
  EXPECT_EQ(seen.reply.status, 200u) << seen.reply.body;
  ASSERT_EQ(seen.json["items"].size(), 1u);
  EXPECT_EQ(seen.json["items"][0]["name"], name);
  EXPECT_EQ(seen.json["items"][0]["size"], 5);
  EXPECT_EQ(bench.get("/firmware/orphans?x=1").reply.status, 422u);
}

}  // namespace
}  // namespace ota::rest::test
