// POST /devices/import, POST /devices/tags, GET /summary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rest/import_file.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class Bulk : public ::testing::Test {
 protected:
  void add(const std::string& id, const std::string& hardware = "gw-a", std::map<std::string, std::string> tags = {}) {
    Device device;
    device.id = id;
    device.hardware = hardware;
    device.tags = std::move(tags);
    device.registered = true;
    bench.write([&] { bench.unit->put(device); });
  }
  Seen import(const std::string& body, const std::string& query = "", const std::string& type = "text/csv") {
    return bench.call(Method::post, "/devices/import" + query, body, {{"Content-Type", type}});
  }
  Seen tag(const std::string& body) { return bench.call(Method::post, "/devices/tags", body); }
  static std::string results(const Seen& seen) {
    std::string text;
    for (const auto& line : seen.json["lines"])
      text += std::to_string(line["line"].get<int>()) + line["result"].get<std::string>()[0] + " ";
    return text;
  }

  Bench bench;
};

TEST_F(Bulk, ImportSaysWhatBecomesOfEachLine) {
  add("gw-1", "gw-a", {{"site", "north"}});
  add("gw-2");
  const auto* file = "id,hardware,tag.site\r\ngw-1,gw-a,north\r\ngw-2,,south\n\n\"gw-3\",gw-b,\"a,\"\"b\"\"\"\n";
  auto seen = import(file, "?dry_run=true");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(results(seen), "2u 3c 5n ");
  EXPECT_EQ(seen.json["applied"], false);
  EXPECT_EQ(bench.engine.commands, 0);
  seen = import(file);
  EXPECT_EQ(seen.json["applied"], true);
  EXPECT_EQ(seen.json["new"], 1);
  EXPECT_EQ(seen.json["changed"], 1);
  EXPECT_EQ(seen.json["unchanged"], 1);
  EXPECT_EQ(seen.json["refused"], 0);
  EXPECT_EQ(bench.engine.commands, 2);
  EXPECT_EQ(bench.engine.change->device, "gw-3");
  EXPECT_TRUE(bench.engine.change->may_create);
  EXPECT_TRUE(bench.engine.change->registers);
  EXPECT_EQ(bench.engine.change->tags.at("site"), "a,\"b\"");
}

TEST_F(Bulk, ImportIsAllOrNothingUnlessItSkipsWhatIsBad) {
  const auto* file = "id,hardware\ngw-1,gw a\ngw-2,gw-a\n../x,\ngw-2,\ngw-3\n";
  auto seen = import(file);
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_EQ(seen.reply.content_type, "application/problem+json");
  EXPECT_EQ(seen.code(), "malformed");
  EXPECT_EQ(results(seen), "2r 3n 4r 5r 6r ");
  EXPECT_THAT(seen.json["lines"][0]["reason"], HasSubstr("\"hardware\" must be at most 64"));
  EXPECT_THAT(seen.json["lines"][2]["reason"], HasSubstr("\"id\" must be 1 to 128"));
  EXPECT_EQ(seen.json["lines"][3]["reason"], "the device is in line 3 too");
  EXPECT_EQ(seen.json["lines"][4]["reason"], "has 1 fields, the header has 2");
  EXPECT_EQ(bench.engine.commands, 0);
  seen = import(file, "?skip_bad=true");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json["refused"], 4);
  EXPECT_EQ(bench.engine.commands, 1);
  bench.engine.trouble = fail(Errc::server_fault, "the disk is full");
  seen = import("id\ngw-9\n");
  EXPECT_EQ(seen.json["lines"][0]["result"], "refused");
  EXPECT_EQ(seen.json["lines"][0]["reason"], "the disk is full");
}

TEST_F(Bulk, ImportOfLinesOfJson) {
  add("gw-1", "gw-a", {{"site", "north"}});
  const auto seen = import(
      "{\"id\": \"gw-1\", \"tags\": {\"site\": null}}\n\n{\"id\": \"gw-2\", \"hardware\": \"gw-b\"}\r\n{\"id\": 5}\n{\n"
      "{\"id\": \"gw-3\", \"hardwar\": \"x\"}\n",
      "?skip_bad=true", "application/x-ndjson");
  EXPECT_EQ(results(seen), "1c 3n 4r 5r 6r ");
  EXPECT_THAT(seen.json["lines"][4]["reason"], HasSubstr("did you mean hardware?"));
  EXPECT_EQ(bench.engine.commands, 2);
}

TEST_F(Bulk, ImportIssuesTokens) {
  add("gw-1");
  Device known;
  known.id = "gw-2";
  known.registered = true;
  known.secret = Digest{1};
  bench.write([&] { bench.unit->put(known); });
  const auto seen = import("id\ngw-1\ngw-2\ngw-3\n", "?tokens=true");
  EXPECT_EQ(results(seen), "2u 3u 4n ");
  const auto& lines = seen.json["lines"];
  EXPECT_EQ(lines[0]["token"].get<std::string>().size(), 43u);
  EXPECT_FALSE(lines[1].contains("token"));
  EXPECT_NE(lines[2]["token"], lines[0]["token"]);
  EXPECT_EQ(bench.engine.secret, firmware::sha256(lines[2]["token"].get<std::string>()));
}

TEST_F(Bulk, ImportAnswersCsvToo) {
  const auto seen = bench.call(Method::post, "/devices/import?dry_run=true", "id\ngw-1\n.\n",
                               {{"Content-Type", "text/csv; charset=utf-8"}, {"Accept", "text/csv"}});
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_THAT(seen.reply.body, HasSubstr("line,device_id,result,reason,token\r\n2,gw-1,new,,\r\n3,.,refused,\"\"\"id\""));
}

TEST_F(Bulk, ImportKnowsChannels) {
  add("gw-1");
  const auto seen = import("id,channel\ngw-1,default\ngw-2,default\ngw-3,nowhere\ngw-4,a/b\n", "?skip_bad=true");
  EXPECT_EQ(results(seen), "2u 3n 4r 5r ");
  EXPECT_EQ(seen.json["lines"][2]["reason"], "there is no channel nowhere");
  EXPECT_THAT(seen.json["lines"][3]["reason"], HasSubstr("is no name of a channel"));
}

TEST_F(Bulk, ImportRefusesAWholeFile) {
  const auto refusal = [&](const std::string& body) {
    const auto seen = import(body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_EQ(seen.code(), "malformed") << body;
    return seen.json["detail"].get<std::string>();
  };
  EXPECT_THAT(refusal(""), HasSubstr("first line names the columns"));
  EXPECT_THAT(refusal("hardware\ngw-a\n"), HasSubstr("\"id\" is missing in the header"));
  EXPECT_THAT(refusal("id,hardwar\n"), HasSubstr("did you mean hardware?"));
  EXPECT_THAT(refusal("id,id\n"), HasSubstr("is a column twice"));
  EXPECT_THAT(refusal("id,tag.\n"), HasSubstr("name of 1 to 64 bytes"));
  EXPECT_THAT(refusal("id\n\"gw-1\n"), HasSubstr("line 2 has no end"));
  EXPECT_THAT(refusal("id\n\"gw-1\"x\n"), HasSubstr("line 2 goes on behind"));
  EXPECT_EQ(import("{}", "", "application/json").code(), "unsupported_media_type");
  EXPECT_EQ(import("id\n", "?dry_run=1").code(), "malformed");
  EXPECT_THAT(import("id\n", "?dryrun=true").fields(), ElementsAre("dryrun"));
  EXPECT_EQ(import(std::string(kMaxImport + 1, ' ')).reply.status, 413u);
  std::string many = "id\n";
  for (std::size_t i = 0; i <= kMaxImportLines; ++i) many += "d\n";
  EXPECT_EQ(import(many).code(), "too_large");
}

TEST_F(Bulk, ImportOfAFileOfSeparatorsEndsAtOnce) {
  const std::string separators(kMaxImport - 3, ',');
  auto seen = import("id" + separators);
  EXPECT_EQ(seen.reply.status, 422u);
  EXPECT_THAT(seen.json["detail"].get<std::string>(), HasSubstr("line 1 has more than 1000 fields"));
  seen = import("id\n" + separators);
  EXPECT_THAT(seen.json["detail"].get<std::string>(), HasSubstr("line 2 has more than 1000 fields"));
  std::string widest = "id";
  for (std::size_t i = 1; i < CsvReader::kMaxColumns; ++i) widest += ",tag.t" + std::to_string(i);
  EXPECT_EQ(import(widest + "\ngw-1" + std::string(CsvReader::kMaxColumns - 1, ',') + "\n").reply.status, 200u);
}

TEST_F(Bulk, ImportRefusesWhatIsNoUtf8) {
  EXPECT_EQ(import("id,tag.stra\xdf" "e\ngw-1,x\n").code(), "malformed");
  const auto seen = import("id,tag.a\ngw-\xff,x\ngw-1,\xdf\n");
  EXPECT_EQ(results(seen), "2r 3r ");
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST_F(Bulk, TagsOfThoseThatMatch) {
  add("gw-1", "gw-a", {{"site", "north"}, {"old", "1"}});
  add("gw-2", "gw-a", {{"site", "south"}});
  add("gw-3", "gw-b");
  auto seen = tag(R"({"where": ["hardware=gw-a"], "set": {"site": "south"}, "remove": ["old"]})");
  ASSERT_EQ(seen.reply.status, 200u) << seen.reply.body;
  EXPECT_EQ(seen.json, Json::parse(R"({"matched":2,"changed":1,"unchanged":1,"refused":0,"refusals":[]})"));
  EXPECT_EQ(bench.engine.change->device, "gw-1");
  EXPECT_FALSE(bench.engine.change->registers);
  EXPECT_EQ(bench.engine.change->tags,
            (std::map<std::string, std::optional<std::string>>{{"site", "south"}, {"old", std::nullopt}}));
  bench.engine.trouble = fail(Errc::unknown_device, "gone");
  seen = tag(R"({"where": ["id=gw-3"], "set": {"a": "b"}})");
  EXPECT_EQ(seen.json["refused"], 1);
  EXPECT_EQ(seen.json["refusals"], Json::parse(R"([{"device_id": "gw-3", "reason": "gone"}])"));
}

TEST_F(Bulk, TagsGoInBatches) {
  for (int i = 0; i < 450; ++i) add("gw-" + std::to_string(1'000 + i));
  const auto seen = tag(R"({"where": ["id~*"], "set": {"a": "b"}})");
  EXPECT_EQ(seen.json["matched"], 450);
  EXPECT_EQ(seen.json["changed"], 450);
  EXPECT_EQ(bench.engine.commands, 450);
}

TEST_F(Bulk, TagsThatWouldBeTooManyAreRefusedByDevice) {
  std::map<std::string, std::string> many;
  for (int i = 0; i < 64; ++i) many["t" + std::to_string(i)] = "x";
  add("gw-1", "gw-a", many);
  const auto seen = tag(R"({"where": ["id=gw-1"], "set": {"a": "b"}})");
  EXPECT_EQ(seen.json["refused"], 1);
  EXPECT_THAT(seen.json["refusals"][0]["reason"], HasSubstr("65 tags, more than 64"));
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST_F(Bulk, TagsRefuseByName) {
  const auto fields = [&](const std::string& body) {
    const auto seen = tag(body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_EQ(seen.code(), "malformed") << body;
    return seen.fields();
  };
  EXPECT_THAT(fields(R"({"set": {"a": "b"}})"), ElementsAre("where"));
  EXPECT_THAT(fields(R"({"where": [], "set": {"a": "b"}})"), ElementsAre("where"));
  EXPECT_THAT(fields(R"({"where": ["x=1"], "set": {"a": "b"}})"), ElementsAre("where"));
  EXPECT_THAT(fields(R"({"where": ["state=failed"], "set": {"a": "b"}})"), ElementsAre("where"));
  EXPECT_THAT(fields(R"({"where": ["id=a"]})"), ElementsAre("set"));
  EXPECT_THAT(fields(R"({"where": ["id=a"], "set": {"a": null}})"), ElementsAre("set"));
  EXPECT_THAT(fields(R"({"where": ["id=a"], "set": {"a": "b"}, "remove": ["a"]})"), ElementsAre("remove"));
  EXPECT_THAT(fields(R"({"where": ["id=a"], "set": {"a": "b\n"}})"), ElementsAre("set"));
  EXPECT_THAT(fields(R"({"where": ["id=a"], "sets": {"a": "b"}})"), ElementsAre("sets", "set"));
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST_F(Bulk, Summary) {
  add("gw-1");
  add("gw-2");
  Device seen_one;
  seen_one.id = "gw-3";
  seen_one.current_version = "1.4.0";
  seen_one.last_seen = bench.clock.wall() - std::chrono::seconds{100};
  bench.write([&] { bench.unit->put(seen_one); });
  auto task = bench.add_task("gw-1");
  bench.add_task("gw-2");
  task.state = TaskState::failed;
  task.reason = "rolled_back";
  task.ended = bench.clock.wall();
  bench.write([&] { bench.unit->put(task); });
  const auto seen = bench.get("/summary");
  ASSERT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json["devices"], Json::parse(R"({"total": 3, "online": 1, "living": 1})"));
  EXPECT_EQ(seen.json["versions"], Json::parse(R"([
    {"channel": "default", "hardware": "gw-a", "version": null, "devices": 2, "living": 0},
    {"channel": "default", "hardware": null, "version": "1.4.0", "devices": 1, "living": 1}])"));
  EXPECT_EQ(seen.json["tasks"]["failed"], 1);
  EXPECT_EQ(seen.json["tasks"]["queued"], 1);
  EXPECT_EQ(seen.json["tasks"]["succeeded"], 0);
  EXPECT_EQ(seen.json["failures"], Json::parse(R"([{"reason": "rolled_back", "count": 1}])"));
  EXPECT_EQ(seen.json["health"]["status"], "ready");
  EXPECT_THAT(bench.get("/summary?x=1").fields(), ElementsAre("x"));
}

TEST_F(Bulk, TheSummaryHasTheLastBackup) {
  EXPECT_TRUE(bench.get("/summary").json["last_backup_at"].is_null());
  bench.write([&] { bench.db->metadata().set_value("last_backup", "1764230400000"); });
  EXPECT_EQ(bench.get("/summary").json["last_backup_at"], "2025-11-27T08:00:00Z");
}

TEST_F(Bulk, TheSummaryCountsLivingDevicesByTheSetting) {
  Device device;
  device.id = "gw-1";
  device.last_seen = bench.clock.wall() - std::chrono::days{10};
  bench.write([&] { bench.unit->put(device); });
  EXPECT_EQ(bench.get("/summary").json["devices"]["living"], 0);
  bench.living = std::chrono::days{14};
  const auto json = bench.get("/summary").json;
  EXPECT_EQ(json["devices"]["living"], 1);
  EXPECT_EQ(json["versions"][0]["living"], 1);
  EXPECT_EQ(json["devices"]["living"], bench.get("/fleet").json["living"]);
}

}  // namespace
}  // namespace ota::rest::test
