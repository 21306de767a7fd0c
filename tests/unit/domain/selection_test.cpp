#include "ota/domain/selection.hpp"

#include <gmock/gmock.h>

namespace ota {
namespace {

using testing::HasSubstr;

Device a_device() {
  Device device;
  device.id = "gw-17";
  device.hardware = "gw-a";
  device.current_version = "1.4.0";
  device.tags = {{"site", "Berlin"}, {"a.b", "x y"}};
  device.attributes = {{"soc.rev", "B1"}};
  device.quality.verdict = LinkVerdict::fair;
  device.last_seen = *parse_rfc3339("2026-11-22T08:30:00Z");
  return device;
}

bool holds(const std::string& text, const Device& device, std::optional<TaskState> outcome = {}) {
  const auto condition = parse_condition(text, Selects::devices);
  if (!condition) throw std::invalid_argument(condition.error().message);
  const Presence presence{*parse_rfc3339("2026-11-22T08:30:00Z"), std::chrono::minutes{5}};
  return matches({&*condition, 1}, Subject{&device, nullptr, presence, outcome});
}

std::string refusal(const std::string& text, Selects what = Selects::devices) {
  const auto condition = parse_condition(text, what);
  if (condition) return "accepted";
  EXPECT_EQ(condition.error().code, Errc::malformed) << text;
  return condition.error().message;
}

TEST(Selection, MeasuresPresenceInADevicesOwnPolls) {
  auto device = a_device();
  const auto now = *parse_rfc3339("2026-11-22T08:30:00Z");
  const auto seen = [&](std::chrono::seconds ago) {
    device.last_seen = now - ago;
    return holds("online=true", device);
  };
  EXPECT_TRUE(seen(std::chrono::seconds{300}));
  EXPECT_FALSE(seen(std::chrono::seconds{301}));
  device.poll = std::chrono::seconds{60};  // two and a half of them are less than what others have
  EXPECT_TRUE(seen(std::chrono::seconds{300}));
  EXPECT_FALSE(seen(std::chrono::seconds{301}));
  device.poll = std::chrono::seconds{601};
  EXPECT_TRUE(seen(std::chrono::seconds{1502}));
  EXPECT_FALSE(seen(std::chrono::seconds{1503}));
}

TEST(Selection, ComparesTextsByteByByte) {
  const auto device = a_device();
  for (const auto* text : {"id=gw-17", "id = gw-17", "id!=gw-1", "id<gw-2", "id <= gw-17", "id>gw-1", "id>=gw-17",
                           "hardware=gw-a", "tag.site=Berlin", "tag.site!=berlin", "tag.a.b=x y", "tag.site>A",
                           "tag.none=", "tag.none!=x", "tag.site!=", "hardware!=", "attr.soc.rev=B1",
                           "attr.site=", "attr.soc.rev~b"})
    EXPECT_TRUE(holds(text, device)) << text;
  for (const auto* text : {"id=GW-17", "id!=gw-17", "id<gw-17", "id>gw-17", "hardware=gw", "hardware=", "tag.site=",
                           "tag.none!=", "tag.none<x", "tag.none>a", "tag.none~*"})
    EXPECT_FALSE(holds(text, device)) << text;
}

TEST(Selection, ComparesVersionsAsVersions) {
  auto device = a_device();
  for (const auto* text : {"version=v1.4.0", "version=1.4.0+build", "version<1.10.0", "version>1.4.0-rc.1",
                           "version<=1.4.0", "version>=1.4.0", "version!=1.4.1", "version!=unknown", "version~1.4"})
    EXPECT_TRUE(holds(text, device)) << text;
  for (const auto* text : {"version=unknown", "version<1.4.0", "version>1.4.0", "version=1.4", "version~1.4.0.*"})
    EXPECT_FALSE(holds(text, device)) << text;
  device.current_version.clear();
  for (const auto* text : {"version=unknown", "version!=1.4.0", "version="}) EXPECT_TRUE(holds(text, device)) << text;
  for (const auto* text : {"version!=unknown", "version<1.4.0", "version>0", "version~1"})
    EXPECT_FALSE(holds(text, device)) << text;
  device.current_version = "what it says";
  for (const auto* text : {"version!=1.4.0", "version~WHAT", "version!=unknown"})
    EXPECT_TRUE(holds(text, device)) << text;
  for (const auto* text : {"version=unknown", "version<99", "version>0"}) EXPECT_FALSE(holds(text, device)) << text;
}

TEST(Selection, ComparesFlagsTimesAndWords) {
  auto device = a_device();
  for (const auto* text : {"online=true", "online!=false", "last_seen>=2026-11-22T08:30:00Z", "link=fair", "link!=good",
                           "last_seen<2026-11-22T09:30:01+01:00", "outcome=failed", "outcome!=none",
                           "last_seen!=never"})
    EXPECT_TRUE(holds(text, device, TaskState::failed)) << text;
  device.last_seen.reset();
  for (const auto* text : {"online=false", "last_seen=never", "outcome=none", "outcome!=failed",
                           "last_seen!=2026-11-22T08:30:00Z"})
    EXPECT_TRUE(holds(text, device)) << text;
  for (const auto* text : {"online=true", "last_seen<2030-01-01T00:00:00Z", "last_seen>1970-01-01T00:00:00Z",
                           "last_seen!=never", "outcome=failed"})
    EXPECT_FALSE(holds(text, device)) << text;
}

TEST(Selection, LikeFindsPartsAndPatterns) {
  EXPECT_TRUE(text_like("Berlin-Mitte", "MITTE"));
  EXPECT_TRUE(text_like("Berlin-Mitte", "b*-?itte"));
  EXPECT_TRUE(text_like("", "*"));
  EXPECT_TRUE(text_like("M\xc3\xbcnchen", "m?nchen"));
  EXPECT_TRUE(text_like("abcabd", "*ab?"));
  EXPECT_FALSE(text_like("Berlin", "erl*"));
  EXPECT_FALSE(text_like("Berlin", "?"));
  EXPECT_FALSE(text_like("ab", "ab?"));
  // Not exponential.
  std::string pattern;
  for (int i = 0; i < 120; ++i) pattern += "*a";
  EXPECT_FALSE(text_like(std::string(256, 'a') + "b", pattern + "c"));
}

TEST(Selection, AllConditionsMustHold) {
  const auto device = a_device();
  std::vector<FieldCondition> conditions;
  const Subject subject{&device};
  EXPECT_TRUE(matches(conditions, subject));
  conditions.push_back(*parse_condition("id=gw-17", Selects::devices));
  EXPECT_TRUE(matches(conditions, subject));
  conditions.push_back(*parse_condition("hardware=gw-b", Selects::devices));
  EXPECT_FALSE(matches(conditions, subject));
}

TEST(Selection, ComparesTasksAndTheirDevices) {
  const auto device = a_device();
  Task task;
  task.device = device.id;
  task.version = "1.5.0";
  task.state = TaskState::failed;
  task.reason = "checksum_mismatch";
  task.created_by = "ops";
  task.rollout = 7;
  task.created = *parse_rfc3339("2026-11-22T08:30:00Z");
  const auto task_holds = [&](const char* text, const Device* its) {
    const auto condition = parse_condition(text, Selects::tasks);
    return condition && matches({&*condition, 1}, Subject{its, &task, {}, task.state});
  };
  for (const auto* text : {"state=failed", "version>1.4.0", "reason~check", "created_by=ops", "id=gw-17",
                           "created_at<2026-11-23T00:00:00Z", "tag.site=Berlin", "hardware=gw-a", "outcome=failed",
                           "channel=default", "rollout=RO_20261126_000007", "rollout!=none"})
    EXPECT_TRUE(task_holds(text, &device)) << text;
  for (const auto* text : {"id=gw-17", "state=failed", "hardware!=gw-a", "online!=true", "outcome=none"})
    EXPECT_TRUE(task_holds(text, nullptr)) << text;
  for (const auto* text : {"hardware=gw-a", "online=true", "online=false", "last_seen>1970-01-01T00:00:00Z"})
    EXPECT_FALSE(task_holds(text, nullptr)) << text;
}

TEST(Selection, RefusesByNameAndSaysWhatThereIs) {
  EXPECT_EQ(refusal("hardwar=x"),
            "condition \"hardwar=x\": field \"hardwar\" is unknown (did you mean hardware?); known are id, hardware, "
            "version, channel, online, last_seen, link, outcome, tag.KEY, attr.KEY");
  EXPECT_THAT(refusal("state=failed"), HasSubstr("field \"state\" is unknown"));
  EXPECT_EQ(refusal("state=failed", Selects::tasks), "accepted");
  EXPECT_THAT(refusal("tag=x"), HasSubstr("tag.KEY"));
  EXPECT_THAT(refusal("tag.=x"), HasSubstr("tag.KEY"));
  EXPECT_THAT(refusal("attr.=x"), HasSubstr("attr.KEY"));
  EXPECT_THAT(refusal("id.x=x"), HasSubstr("unknown"));
  EXPECT_THAT(refusal("id==x"), HasSubstr("operator \"==\" is unknown; known are = != < <= > >= ~;"));
  EXPECT_EQ(refusal("tag.x= =y"), "accepted");
  EXPECT_THAT(refusal("link<fair"), HasSubstr("link has no operator <; it has = !="));
  EXPECT_THAT(refusal("last_seen~2026"), HasSubstr("last_seen has no operator ~; it has = != < <= > >="));
  EXPECT_THAT(refusal("online=yes"), HasSubstr("\"yes\" must be true or false"));
  EXPECT_THAT(refusal("link=bad"), HasSubstr("\"bad\" must be one of unknown, good, fair, poor"));
  EXPECT_THAT(refusal("outcome=faild"), HasSubstr("expired, staged, none (did you mean failed?)"));
  EXPECT_THAT(refusal("last_seen<yesterday"), HasSubstr("must be a time as 2026-11-22T08:30:00Z, or never"));
  EXPECT_THAT(refusal("last_seen<never"), HasSubstr("only found by = and !="));
  EXPECT_THAT(refusal("version<unknown"), HasSubstr("< needs a value"));
  EXPECT_THAT(refusal("version=1/2"), HasSubstr("\"1/2\" is no version"));
  EXPECT_THAT(refusal("rollout=7", Selects::tasks), HasSubstr("\"7\" must be the id of a rollout, or none"));
  EXPECT_THAT(refusal("link=none"), HasSubstr("must be one of unknown, good, fair, poor"));
  EXPECT_THAT(refusal("id~"), HasSubstr("~ needs a value"));
  EXPECT_THAT(refusal("id"), HasSubstr("must be: field operator value"));
  EXPECT_THAT(refusal(""), HasSubstr("must be: field operator value"));
  EXPECT_THAT(refusal("=x"), HasSubstr("field \"\" is unknown"));
  EXPECT_THAT(refusal("id=a\nb"), HasSubstr("control characters"));
  EXPECT_THAT(refusal("id=" + std::string(600, 'a')), HasSubstr("at most 512 bytes"));
}

}  // namespace
}  // namespace ota
