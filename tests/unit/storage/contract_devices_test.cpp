// The contract of every backend: devices and their tags.
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

using DeviceRows = Contract;
INSTANTIATE_TEST_SUITE_P(, DeviceRows, ::testing::Values(sqlite_on_disk()), name_of_kind);

TEST_P(DeviceRows, DevicesComeBackAndLapse) {
  Device d;
  d.id = "gw-1";
  d.hardware = "gw-a";
  d.current_version = "1.0";
  d.registered = true;
  d.tags = {{"site", "north"}, {"note", ""}};
  d.attributes = {{"site", "south"}, {"hwRevision", ""}};
  d.protocol = Protocol::ddi;
  d.client = "libcurl-agent/1.0";
  d.secret = digest_of(4);
  d.transports = {Transport::mqtt, Transport::http};
  d.max_chunk_bytes = 65'536;
  d.max_message_bytes = 1'024;
  d.created = WallTime{1ms};
  d.last_seen = WallTime{2ms};
  d.present_until_tl = 500ms;
  d.transport = Transport::mqtt;
  d.link = {48.5, -71.0, 0.02};
  put(d);
  put(d);
  const auto back = devices.find("gw-1").value();
  EXPECT_EQ(back.tags, d.tags);
  EXPECT_EQ(back.attributes, d.attributes);
  EXPECT_EQ(back.protocol, d.protocol);
  EXPECT_EQ(back.client, d.client);
  EXPECT_EQ(back.secret, d.secret);
  EXPECT_EQ(back.transports, d.transports);
  EXPECT_EQ(back.max_chunk_bytes, d.max_chunk_bytes);
  EXPECT_EQ(back.max_message_bytes, d.max_message_bytes);
  EXPECT_EQ(back.transport, d.transport);
  EXPECT_EQ(back.link.rtt_ms, 48.5);
  EXPECT_EQ(back.last_seen, d.last_seen);
  EXPECT_TRUE(back.registered);

  EXPECT_FALSE(devices.next_lapse()) << "nothing of it is ready";
  const auto t = make("gw-1");
  set_ready(t, true);
  put(d);
  EXPECT_EQ(devices.next_lapse(), 500ms) << "saving keeps its place";
  EXPECT_TRUE(devices.lapsed(499ms, 10).empty());
  EXPECT_EQ(devices.lapsed(500ms, 10), std::vector<std::string>{"gw-1"});
  unit.remove_device("gw-1");
  EXPECT_FALSE(devices.find("gw-1"));
}

TEST_P(DeviceRows, LinksComeBackAndAreCounted) {
  Device d;
  d.id = "gw-1";
  auto& q = d.quality;
  q.rtt_ms = 31.5;
  q.loss = 0.04;
  q.rate = 8'000;
  q.trouble = 1.5;
  q.trouble_at = 7ms;
  q.stalls = 1;
  q.resumes = 2;
  q.mismatches = 3;
  q.broken = 4;
  q.verdict = LinkVerdict::fair;
  q.leaning = LinkVerdict::poor;
  q.looks = 1;
  q.mqtt_heard = 11ms;
  q.mqtt_first_until = 12ms;
  put(d);
  put(d);
  const auto back = devices.find("gw-1").value().quality;
  EXPECT_EQ(back.rtt_ms, q.rtt_ms);
  EXPECT_EQ(back.loss, q.loss);
  EXPECT_EQ(back.rate, q.rate);
  EXPECT_EQ(back.trouble, q.trouble);
  EXPECT_EQ(back.trouble_at, q.trouble_at);
  EXPECT_EQ(back.stalls, 1u);
  EXPECT_EQ(back.resumes, 2u);
  EXPECT_EQ(back.mismatches, 3u);
  EXPECT_EQ(back.broken, 4u);
  EXPECT_EQ(back.verdict, q.verdict);
  EXPECT_EQ(back.leaning, q.leaning);
  EXPECT_EQ(back.looks, 1u);
  EXPECT_EQ(back.mqtt_heard, q.mqtt_heard);
  EXPECT_EQ(back.mqtt_first_until, q.mqtt_first_until);
  d.id = "gw-2";
  q = {};
  put(d);
  EXPECT_EQ(devices.verdicts(), (std::array<std::int64_t, 4>{1, 0, 1, 0}));
}

TEST_P(DeviceRows, ThoseOnlineAreCountedByTheirOwnPolls) {
  const WallTime now{20'000h};
  struct {
    const char* id;
    std::chrono::seconds poll;
    std::optional<Millis> ago;
  } const all[] = {{"never", 600s, {}}, {"here", 0s, 200s}, {"gone", 0s, 400s}, {"polls", 600s, 1'400s},
                   {"silent", 600s, 1'600s}, {"daily", 86'399s, 50h}};
  Device d;
  for (const auto& one : all) {
    d.id = one.id;
    d.poll = one.poll;
    d.last_seen = one.ago ? std::optional{now - *one.ago} : std::nullopt;
    put(d);
  }
  EXPECT_EQ(devices.counts({now, 300s}, {}).online, 3);
  EXPECT_EQ(devices.counts({now, 1'800s}, {}).online, 5);
  d.channel = "lab";
  d.hardware = "gw-b";
  d.id = "daily";
  d.last_seen = now;
  put(d);
  EXPECT_EQ(devices.online({now, 300s}, "lab"), 1);
  EXPECT_EQ(devices.online({now, 300s}, "lab", "gw-b"), 1);
  EXPECT_EQ(devices.online({now, 300s}, "lab", "gw-a"), 0);
  EXPECT_EQ(devices.online({now, 300s}, "default"), 2);
  d.poll = 60s;
  d.last_seen = now - 50h;
  put(d);
  EXPECT_EQ(devices.counts({now, 300s}, {}).online, 2) << "counted anew";
}

TEST_P(DeviceRows, TheOldestTaskBehindAnUplinkIsFirst) {
  Device d;
  for (const auto* id : {"a", "b", "c"}) {
    d.id = id;
    put(d);
  }
  EXPECT_FALSE(devices.first_held("mast"));
  hold("a", "mast", 9);
  hold("b", "mast", 4);
  hold("c", "other", 1);
  EXPECT_EQ(devices.first_held("mast"), "b");
  EXPECT_EQ(devices.find("b")->held_uplink, "mast");
  d.id = "b";
  put(d);
  EXPECT_EQ(devices.first_held("mast"), "b") << "saving keeps its place";
  hold("b", {}, 0);
  EXPECT_EQ(devices.first_held("mast"), "a");
  EXPECT_EQ(devices.find("b")->held_uplink, "");
}

TEST_P(DeviceRows, AttributesAreRowsOfTheirOwn) {
  auto d = device("gw-1");
  d.tags = {{"site", "north"}};
  d.attributes = {{"site", "south"}, {"rev", "7"}};
  put(d);
  unit.discard();
  EXPECT_EQ(unit.device("gw-1")->attributes, d.attributes);
  EXPECT_EQ(unit.device("gw-1")->tags, d.tags);
  EXPECT_EQ(devices.find("gw-1")->attributes, d.attributes);
  d.attributes.erase("rev");
  put(d);
  unit.discard();
  EXPECT_EQ(devices.list({}, 10).rows.at(0).attributes, d.attributes);
  unit.remove_device("gw-1");
  device("gw-1");
  EXPECT_TRUE(devices.find("gw-1")->attributes.empty()) << "a new device of that id has none of them";
}

TEST_P(DeviceRows, TagsAreReplacedAsAWholeAndGoWithTheirDevice) {
  using Tags = std::map<std::string, std::string>;
  auto d = device("gw-1");
  device("gw-2");
  const auto tag = [&](const Tags& tags) {
    d.tags = tags;
    put(d);
    unit.discard();
    EXPECT_EQ(unit.device("gw-1")->tags, tags);
    return devices.find("gw-1")->tags;
  };
  EXPECT_TRUE(devices.find("gw-1")->tags.empty());
  const Tags two{{"rack", "7"}, {"site", "north"}};
  EXPECT_EQ(tag(two), two);
  const Tags other{{"empty", ""}, {"site", "south \xc3\xb6"}};
  EXPECT_EQ(tag(other), other);
  d.hardware = "gw-a";
  put(d);
  EXPECT_EQ(devices.find("gw-1")->tags, other) << "saving keeps them";
  const auto listed = devices.list({}, 10).rows;
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].tags, other);
  EXPECT_TRUE(listed[1].tags.empty());
  EXPECT_EQ(tag({}), Tags{});
  tag(two);
  unit.remove_device("gw-1");
  device("gw-1");
  EXPECT_TRUE(devices.find("gw-1")->tags.empty()) << "a new device of that id has none of them";
  EXPECT_EQ(tag(two), two) << "but may get them again";
}

TEST_P(DeviceRows, AreListedByIdInPages) {
  for (const auto* id : {"c", "a", "b"}) device(id);
  const auto ids = [&](const std::string& after, int limit) {
    std::string text;
    const auto place = after.empty() ? std::nullopt : std::optional{Place{0, after, after}};
    for (const auto& d : devices.list({}, limit, place).rows) text += d.id;
    return text;
  };
  EXPECT_EQ(ids("", 2), "ab");
  EXPECT_EQ(ids("b", 2), "c");
  EXPECT_EQ(ids("c", 2), "");
  kind.spoil(*db, "devices", "a");
  EXPECT_EQ(ids("", 2), "bc") << "a page is filled with rows that can be read";
  EXPECT_THROW(devices.find("a"), BadRow);
}

}  // namespace
}  // namespace ota::storage
