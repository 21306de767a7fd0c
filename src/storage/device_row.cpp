#include "storage/device_row.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace ota::storage {
namespace {

int pack(const std::vector<Transport>& transports) {
  int packed = 0;
  int shift = 0;
  for (auto transport : transports) {
    packed |= (static_cast<int>(transport) + 1) << shift;
    shift += 2;
  }
  return packed;
}

std::vector<Transport> unpack_transports(int packed) {
  std::vector<Transport> transports;
  if (packed < 0) throw BadValue("transports is out of range");
  for (; packed != 0; packed >>= 2) {
    const int transport = (packed & 3) - 1;
    if (transport < 0 || transport > last_value(Transport{})) throw BadValue("transports is out of range");
    transports.push_back(static_cast<Transport>(transport));
  }
  return transports;
}

// In the order of read_device() and of the parameters of write_row().
constexpr const char* kColumns =
    "id, hardware, current_version, registered, tagged, attributed, secret, transports, max_chunk_bytes, created, "
    "last_seen, present_until_tl, transport, protocol, client, rtt_ms, rssi, loss, link_verdict, link_leaning, "
    "link_looks, link_rtt_ms, link_loss, link_rate, link_trouble, link_trouble_at_tl, link_stalls, link_resumes, "
    "link_mismatches, link_broken, mqtt_heard_tl, mqtt_first_until_tl, version_confirmed, tells_version, "
    "last_update, max_message_bytes, held_uplink, certified, claimed, channel, pinned, timezone, gap_ms, ring, poll_s, "
    "wants_attributes, reported_hardware, ready_task, held_task";

bool is_key(std::string_view column) {
  return column == "hardware" || column == "current_version" || column == "link_verdict" || column == "channel" ||
         column == "ring" || column == "secret";
}

/// `column=?N` for each column of kColumns (from ?1 on) that can change, but for those with an index unless `keys`.
std::string changes(bool keys) {
  std::string text;
  std::string_view left = kColumns;
  for (int at = 1; !left.empty(); ++at) {
    const auto end = std::min(left.find(", "), left.size());
    const auto column = left.substr(0, end);
    left.remove_prefix(std::min(left.size(), end + 2));
    if (column == "id" || column == "created" || (!keys && is_key(column))) continue;
    text += fmt::format("{}{}=?{}", text.empty() ? "" : ", ", column, at);
  }
  return text;
}

/// Replaces all but the id and the time of its making.
std::string upsert() {
  return fmt::format("INSERT INTO devices ({}, version_key) VALUES ({},version_key(?3)) ON CONFLICT (id) DO UPDATE SET "
                     "{}, version_key=excluded.version_key",
                     kColumns, marks(kColumns), changes(true));
}

std::pair<std::string, std::string> read_text(Rows& r) {
  r.text();  // the device
  auto key = r.text();
  return {std::move(key), r.text()};
}

void write_row(const Query& statement, const DeviceRow& row) {
  const auto& d = row.device;
  const auto& q = d.quality;
  const auto uplink = d.held_uplink.empty() ? std::nullopt : std::optional{d.held_uplink};
  statement.run(d.id, d.hardware, d.current_version, d.registered, !d.tags.empty(), !d.attributes.empty(), d.secret,
                pack(d.transports), d.max_chunk_bytes, d.created, d.last_seen, d.present_until_tl, d.transport,
                d.protocol, d.client, d.link.rtt_ms, d.link.rssi, d.link.loss, q.verdict, q.leaning, q.looks, q.rtt_ms,
                q.loss, q.rate, q.trouble, q.trouble_at, q.stalls, q.resumes, q.mismatches, q.broken, q.mqtt_heard,
                q.mqtt_first_until, d.version_confirmed, d.tells_version, d.last_update, d.max_message_bytes, uplink,
                d.certified, d.claimed, d.channel, d.pinned, d.timezone, d.gap, d.ring,
                d.poll.count(), d.wants_attributes, d.reported_hardware, row.ready_task, row.held_task);
}

}  // namespace

std::string select_devices(const std::string& rest) { return fmt::format("SELECT {} FROM devices {}", kColumns, rest); }

DeviceRow read_device(Rows& r) {
  DeviceRow row;
  auto& d = row.device;
  d.id = r.text();
  d.hardware = r.text();
  d.current_version = r.text();
  d.registered = r.flag();
  row.tagged = r.flag();
  row.attributed = r.flag();
  d.secret = r.maybe(&Rows::digest);
  d.transports = unpack_transports(r.small());
  d.max_chunk_bytes = r.maybe(&Rows::unsigned32);
  d.created = r.time();
  d.last_seen = r.maybe(&Rows::time);
  d.present_until_tl = r.millis();
  d.transport = r.maybe(&Rows::word<Transport>);
  d.protocol = r.maybe(&Rows::word<Protocol>);
  d.client = r.text();
  d.link.rtt_ms = r.maybe(&Rows::real);
  d.link.rssi = r.maybe(&Rows::real);
  d.link.loss = r.maybe(&Rows::real);
  auto& q = d.quality;
  q.verdict = r.word<LinkVerdict>();
  q.leaning = r.word<LinkVerdict>();
  q.looks = r.unsigned32();
  q.rtt_ms = r.maybe(&Rows::real);
  q.loss = r.maybe(&Rows::real);
  q.rate = r.maybe(&Rows::real);
  q.trouble = r.real();
  q.trouble_at = r.millis();
  q.stalls = r.unsigned32();
  q.resumes = r.unsigned32();
  q.mismatches = r.unsigned32();
  q.broken = r.unsigned32();
  q.mqtt_heard = r.millis();
  q.mqtt_first_until = r.millis();
  d.version_confirmed = r.flag();
  d.tells_version = r.flag();
  d.last_update = r.integer();
  d.max_message_bytes = r.maybe(&Rows::unsigned32);
  d.held_uplink = r.maybe(&Rows::text).value_or("");
  d.certified = r.flag();
  d.claimed = r.flag();
  d.channel = r.text();
  d.pinned = r.flag();
  d.timezone = r.text();
  d.gap = r.millis();
  d.ring = r.unsigned32();
  d.poll = std::chrono::seconds{r.unsigned32()};
  d.wants_attributes = r.flag();
  d.reported_hardware = r.text();
  if (!DeviceId::parse(d.id)) throw BadValue("id is no device id");
  row.ready_task = r.maybe(&Rows::integer);
  row.held_task = r.maybe(&Rows::integer);
  return row;
}

DeviceKeys& DeviceKeys::operator|=(const DeviceKeys& other) {
  hardware |= other.hardware;
  version |= other.version;
  link |= other.link;
  channel |= other.channel;
  secret |= other.secret;
  return *this;
}

DeviceKeys changed_keys(const Device& before, const Device& now) {
  return {before.hardware != now.hardware, before.current_version != now.current_version,
          before.quality.verdict != now.quality.verdict, before.channel != now.channel,
          before.secret != now.secret};
}

DeviceWriter::DeviceWriter(SQLite::Database& db)
    : insert_(db, upsert()),
      update_(db, fmt::format("UPDATE devices SET {} WHERE id=?1", changes(false))),
      hardware_(db, "UPDATE devices SET hardware=?2 WHERE id=?1"),
      version_(db, "UPDATE devices SET current_version=?2, version_key=version_key(?2) WHERE id=?1"),
      link_(db, "UPDATE devices SET link_verdict=?2 WHERE id=?1"),
      channel_(db, "UPDATE devices SET channel=?2 WHERE id=?1"),
      secret_(db, "UPDATE devices SET secret=?2 WHERE id=?1") {}

void DeviceWriter::insert(const DeviceRow& row) { write_row(insert_, row); }

void DeviceWriter::update(const DeviceRow& row, const DeviceKeys& changed) {
  const auto& d = row.device;
  write_row(update_, row);
  if (changed.hardware) hardware_.run(d.id, d.hardware);
  if (changed.version) version_.run(d.id, d.current_version);
  if (changed.link) link_.run(d.id, d.quality.verdict);
  if (changed.channel) channel_.run(d.id, d.channel);
  if (changed.secret) secret_.run(d.id, d.secret);
}

DeviceTexts::DeviceTexts(SQLite::Database& db, const char* table)
    : table_(table),
      of_(db, fmt::format("SELECT device, key, value FROM {} WHERE device=?", table)),
      add_(db, fmt::format("INSERT INTO {} (device, key, value) VALUES (?,?,?)", table)),
      remove_(db, fmt::format("DELETE FROM {} WHERE device=?", table)) {}

std::map<std::string, std::string> DeviceTexts::of(const std::string& device) const {
  std::map<std::string, std::string> texts;
  for (auto& text : readable_rows(of_.rows(device), table_, read_text)) texts.insert(std::move(text));
  return texts;
}

void DeviceTexts::replace(const std::string& device, const std::map<std::string, std::string>& texts) {
  remove(device);
  for (const auto& [key, value] : texts) add_.run(device, key, value);
}

void DeviceTexts::remove(const std::string& device) { remove_.run(device); }

}  // namespace ota::storage
