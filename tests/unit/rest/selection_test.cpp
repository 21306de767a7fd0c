// where, sort, count, CSV and gzip of lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "ota/base/url.hpp"
#include "rest/list_page.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using testing::ElementsAre;
using testing::HasSubstr;

std::string where(const std::string& condition) { return "where=" + percent_encode(condition); }

class SelectedLists : public ::testing::Test {
 protected:
  void SetUp() override {
    bench.write([&] {
      for (int i = 0; i < 9; ++i) {
        Device device;
        device.id = "gw-" + std::to_string(i);
        device.hardware = i < 5 ? "gw-a" : "gw-b";
        device.current_version = i == 0 ? "" : "1." + std::to_string(i * 2) + ".0";
        device.tags = {{"site", i % 2 ? "north" : "so\"uth, 1"}};
        device.created = bench.clock.wall();
        if (i > 3) device.last_seen = bench.clock.wall() - std::chrono::seconds{i * 100};
        bench.unit->put(device);
      }
    });
  }

  std::vector<std::string> ids(const std::string& query) {
    const auto seen = bench.get("/devices?" + query);
    EXPECT_EQ(seen.reply.status, 200u) << seen.reply.body;
    std::vector<std::string> found;
    for (const auto& item : seen.json.value("items", nlohmann::json::array())) found.push_back(item["device_id"]);
    return found;
  }
  std::int64_t count(const std::string& query) {
    const auto seen = bench.get("/devices?count=true&" + query);
    EXPECT_EQ(seen.json.size(), 1u);
    return seen.json.value("count", std::int64_t{-1});
  }
  std::string refusal(const std::string& target, const char* field) {
    const auto seen = bench.get(target);
    EXPECT_EQ(seen.reply.status, 422u) << target;
    EXPECT_EQ(seen.code(), "malformed") << target;
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << target;
    return seen.json["errors"][0]["message"];
  }

  Bench bench;
};

TEST_F(SelectedLists, AllConditionsMustHold) {
  EXPECT_THAT(ids(where("version<1.10.0")), ElementsAre("gw-1", "gw-2", "gw-3", "gw-4"));
  EXPECT_THAT(ids(where("version < 1.10.0") + "&" + where("tag.site=north")), ElementsAre("gw-1", "gw-3"));
  EXPECT_THAT(ids(where("version=unknown")), ElementsAre("gw-0"));
  EXPECT_THAT(ids(where("online=true")), ElementsAre());
  bench.clock.advance(-std::chrono::seconds{250});
  EXPECT_THAT(ids(where("online=true") + "&sort=id"), ElementsAre("gw-4", "gw-5"));
  EXPECT_THAT(ids(where("last_seen=never") + "&" + where("id~GW-*") + "&limit=2"), ElementsAre("gw-0", "gw-1"));
}

TEST_F(SelectedLists, SortInBothDirectionsOverPages) {
  EXPECT_THAT(ids("sort=-version&limit=3"), ElementsAre("gw-8", "gw-7", "gw-6"));
  std::vector<std::string> found;
  for (std::string cursor;;) {
    const auto seen = bench.get("/devices?sort=hardware&limit=2" + cursor);
    for (const auto& item : seen.json["items"]) found.push_back(item["device_id"]);
    if (seen.json["next"].is_null()) break;
    cursor = "&cursor=" + seen.json["next"].get<std::string>();
  }
  EXPECT_THAT(found, ElementsAre("gw-0", "gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6", "gw-7", "gw-8"));
}

TEST_F(SelectedLists, CountOnly) {
  EXPECT_EQ(count(""), 9);
  EXPECT_EQ(count(where("hardware=gw-b")), 4);
  EXPECT_EQ(count(where("tag.site=north") + "&" + where("version>=1.10.0")), 2);
  bench.add_task("gw-1");
  const auto seen = bench.get("/tasks?count=true&state=queued");
  EXPECT_EQ(seen.json["count"], 1);
}

TEST_F(SelectedLists, TasksByTheirDevicesAndOfThemselves) {
  bench.add_task("gw-1");
  bench.add_task("gw-6", "1.6.0");
  const auto devices_of = [&](const std::string& query) {
    std::vector<std::string> found;
    const auto seen = bench.get("/tasks?" + query);
    EXPECT_EQ(seen.reply.status, 200u) << seen.reply.body;
    for (const auto& item : seen.json.value("items", nlohmann::json::array())) found.push_back(item["device_id"]);
    return found;
  };
  EXPECT_THAT(devices_of(""), ElementsAre("gw-6", "gw-1"));
  EXPECT_THAT(devices_of(where("hardware=gw-b")), ElementsAre("gw-6"));
  EXPECT_THAT(devices_of(where("version<1.5") + "&state=queued"), ElementsAre("gw-1"));
  EXPECT_THAT(devices_of("version=v1.4.0&device_id=gw-1"), ElementsAre("gw-1"));
  EXPECT_THAT(devices_of("sort=id"), ElementsAre("gw-1", "gw-6"));
}

TEST_F(SelectedLists, RefusesByName) {
  EXPECT_THAT(refusal("/devices?" + where("hardwar=x"), "where"), HasSubstr("did you mean hardware?"));
  EXPECT_THAT(refusal("/devices?" + where("state=failed"), "where"), HasSubstr("field \"state\" is unknown"));
  EXPECT_THAT(refusal("/devices?" + where("id<>x"), "where"), HasSubstr("operator \"<>\" is unknown"));
  EXPECT_THAT(refusal("/devices?where=", "where"), HasSubstr("field operator value"));
  EXPECT_THAT(refusal("/devices?sort=nam", "sort"),
              HasSubstr("must be one of id, hardware, version, channel, last_seen, link"));
  EXPECT_THAT(refusal("/devices?sort=-tag.site", "sort"), HasSubstr("must be one of"));
  EXPECT_THAT(refusal("/tasks?sort=hardware", "sort"),
              HasSubstr("must be one of id, version, state, created_at, created_by"));
  EXPECT_THAT(refusal("/devices?count=yes", "count"), HasSubstr("true or false"));
  EXPECT_THAT(refusal("/devices?cursor=abc", "cursor"), HasSubstr("must be the value of \"next\""));
  EXPECT_THAT(refusal("/devices?cursor=" + cursor_of("devices", "gw-1"), "cursor"), HasSubstr("\"next\""));
  EXPECT_THAT(refusal("/tasks?cursor=" + cursor_of("devices", "0:i5:5"), "cursor"), HasSubstr("\"next\""));
  std::string many = "/devices?" + where("id=x");
  for (int i = 0; i < 16; ++i) many += "&" + where("id=x");
  EXPECT_THAT(refusal(many, "where"), HasSubstr("more than 16 conditions"));
}

TEST_F(SelectedLists, AsCsv) {
  const auto seen = bench.call(Method::get, "/devices?limit=2&" + where("id>gw-3"), {}, {{"Accept", "text/csv"}});
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.reply.content_type, "text/csv; charset=utf-8");
  EXPECT_EQ(seen.reply.body,
            "id,hardware,version,version_confirmed,last_seen,protocol,client,link,registered,has_token,active_task,"
            "tags,created_at\r\n"
            "gw-4,gw-a,1.8.0,false,2026-11-22T08:23:20Z,,,unknown,false,false,,\"{\"\"site\"\":\"\"so\\\"\"uth, "
            "1\"\"}\",2026-11-22T08:30:00Z\r\n"
            "gw-5,gw-b,1.10.0,false,2026-11-22T08:21:40Z,,,unknown,false,false,,\"{\"\"site\"\":\"\"north\"\"}\","
            "2026-11-22T08:30:00Z\r\n");
  const auto link = seen.header("Link");
  ASSERT_THAT(link, HasSubstr("</devices?limit=2&where="));
  ASSERT_THAT(link, HasSubstr("; rel=\"next\""));
  const auto next = bench.call(Method::get, link.substr(1, link.find('>') - 1), {}, {{"Accept", "text/csv"}});
  EXPECT_THAT(next.reply.body, HasSubstr("\r\ngw-6,"));
  EXPECT_EQ(seen.header("Vary"), "Accept, Accept-Encoding");
}

TEST_F(SelectedLists, AsGzip) {
  const auto plain = bench.get("/devices").reply.body;
  HandRequest request(Method::get, "/devices");
  request.headers = {{"Accept-Encoding", "br, gzip;q=0.5"}, {"Accept", "text/csv;q=0"}};
  const auto reply = bench.reply_to(request);
  ASSERT_EQ(reply.headers.size(), 3u);
  EXPECT_EQ(reply.headers[1].name, "Content-Encoding");
  EXPECT_EQ(reply.headers[1].value, "gzip");
  std::string text(plain.size() + 1, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(reply.body.data()));
  stream.avail_in = static_cast<uInt>(reply.body.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_EQ(text, plain);
}

}  // namespace
}  // namespace ota::rest::test
