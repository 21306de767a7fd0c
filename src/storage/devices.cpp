#include "ota/storage/tables.hpp"
#include "storage/database_impl.hpp"

namespace ota::storage {
namespace {

constexpr char kUnit = '\x1f';

std::string pack(const std::map<std::string, std::string>& tags) {
  std::string packed;
  for (const auto& [name, value] : tags) packed += name + kUnit + value + kUnit;
  return packed;
}

std::map<std::string, std::string> unpack_tags(const std::string& packed) {
  std::map<std::string, std::string> tags;
  std::size_t at = 0;
  while (at < packed.size()) {
    const auto name_end = packed.find(kUnit, at);
    if (name_end == std::string::npos) break;
    const auto value_end = packed.find(kUnit, name_end + 1);
    if (value_end == std::string::npos) break;
    tags[packed.substr(at, name_end - at)] = packed.substr(name_end + 1, value_end - name_end - 1);
    at = value_end + 1;
  }
  return tags;
}

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

constexpr const char* kSelect =
    "SELECT id, hardware, current_version, registered, tags, secret, transports, max_chunk_bytes, created, last_seen, "
    "present_until_tl, transport, rtt_ms, rssi, loss, link_verdict, link_leaning, link_looks, link_rtt_ms, link_loss, "
    "link_rate, link_trouble, link_trouble_at_tl, link_stalls, link_resumes, link_mismatches, link_broken, "
    "mqtt_heard_tl, mqtt_first_until_tl, version_confirmed, tells_version, last_update, max_message_bytes, "
    "held_uplink, "
    "certified, claimed FROM devices ";

Device read(Rows& r) {
  Device d;
  d.id = r.text();
  d.hardware = r.text();
  d.current_version = r.text();
  d.registered = r.flag();
  d.tags = unpack_tags(r.text());
  d.secret = r.maybe(&Rows::digest);
  d.transports = unpack_transports(r.small());
  d.max_chunk_bytes = r.maybe(&Rows::unsigned32);
  d.created = r.time();
  d.last_seen = r.maybe(&Rows::time);
  d.present_until_tl = r.millis();
  d.transport = r.maybe(&Rows::word<Transport>);
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
  if (!DeviceId::parse(d.id)) throw BadValue("id is no device id");
  return d;
}

}  // namespace

struct Devices::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query find{db, std::string(kSelect) + "WHERE id=?"};
  Query save{
      db,
      "INSERT INTO devices (id, hardware, current_version, registered, tags, secret, transports, "
      "max_chunk_bytes, created, last_seen, present_until_tl, transport, rtt_ms, rssi, loss, link_verdict, "
      "link_leaning, link_looks, link_rtt_ms, link_loss, link_rate, link_trouble, link_trouble_at_tl, "
      "link_stalls, link_resumes, link_mismatches, link_broken, mqtt_heard_tl, mqtt_first_until_tl, "
      "version_confirmed, tells_version, last_update, max_message_bytes, certified, claimed) "
      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
      "hardware=excluded.hardware, "
      "current_version=excluded.current_version, registered=excluded.registered, tags=excluded.tags, "
      "secret=excluded.secret, transports=excluded.transports, max_chunk_bytes=excluded.max_chunk_bytes, "
      "last_seen=excluded.last_seen, present_until_tl=excluded.present_until_tl, "
      "transport=excluded.transport, rtt_ms=excluded.rtt_ms, rssi=excluded.rssi, loss=excluded.loss, "
      "link_verdict=excluded.link_verdict, link_leaning=excluded.link_leaning, "
      "link_looks=excluded.link_looks, link_rtt_ms=excluded.link_rtt_ms, link_loss=excluded.link_loss, "
      "link_rate=excluded.link_rate, link_trouble=excluded.link_trouble, "
      "link_trouble_at_tl=excluded.link_trouble_at_tl, link_stalls=excluded.link_stalls, "
      "link_resumes=excluded.link_resumes, link_mismatches=excluded.link_mismatches, "
      "link_broken=excluded.link_broken, mqtt_heard_tl=excluded.mqtt_heard_tl, "
      "mqtt_first_until_tl=excluded.mqtt_first_until_tl, "
      "version_confirmed=excluded.version_confirmed, tells_version=excluded.tells_version, "
      "last_update=excluded.last_update, max_message_bytes=excluded.max_message_bytes, "
      "certified=excluded.certified, claimed=excluded.claimed"};
  Query hold{db, "UPDATE devices SET held_uplink=NULLIF(?2, ''), held_task=?3 WHERE id=?1"};
  Query first_held{db, "SELECT id FROM devices WHERE held_uplink=? ORDER BY held_task LIMIT 1"};
  Query verdicts{db, "SELECT link_verdict, COUNT(*) FROM devices GROUP BY link_verdict"};
  Query remove{db, "DELETE FROM devices WHERE id=? RETURNING 1"};
  Query lapsed{db,
               "SELECT id FROM devices WHERE ready_task IS NOT NULL AND present_until_tl<=? ORDER BY present_until_tl "
               "LIMIT ?"};
  Query next_lapse{db, "SELECT MIN(present_until_tl) FROM devices WHERE ready_task IS NOT NULL"};
  Query list{db, std::string(kSelect) + "WHERE id>? ORDER BY id"};
  Query strangers{db,
                  "SELECT id, registered=0 AND certified=0 AND secret IS NULL AND COALESCE(last_seen, created)<?2 FROM "
                  "devices WHERE id>?1 ORDER BY id LIMIT ?3"};
};

Devices::Devices(Database& db) : q_(std::make_unique<Statements>(db.impl().db)) {}
Devices::~Devices() = default;

std::optional<Device> Devices::find(const std::string& id) { return first_row(q_->find.rows(id), "devices", read); }

void Devices::save(const Device& d) {
  q_->save.run(d.id, d.hardware, d.current_version, d.registered, pack(d.tags), d.secret, pack(d.transports),
               d.max_chunk_bytes, d.created, d.last_seen, d.present_until_tl, d.transport, d.link.rtt_ms, d.link.rssi,
               d.link.loss, d.quality.verdict, d.quality.leaning, d.quality.looks, d.quality.rtt_ms, d.quality.loss,
               d.quality.rate, d.quality.trouble, d.quality.trouble_at, d.quality.stalls, d.quality.resumes,
               d.quality.mismatches, d.quality.broken, d.quality.mqtt_heard, d.quality.mqtt_first_until,
               d.version_confirmed, d.tells_version, d.last_update, d.max_message_bytes, d.certified, d.claimed);
}

void Devices::hold(const std::string& id, const std::string& uplink, std::int64_t task) {
  q_->hold.run(id, uplink, task);
}

std::optional<std::string> Devices::first_held(const std::string& uplink) {
  auto rows = q_->first_held.rows(uplink);
  if (!rows.next()) return {};
  return rows.text();
}

std::array<std::int64_t, 4> Devices::verdicts() {
  std::array<std::int64_t, 4> counts{};
  auto rows = q_->verdicts.rows();
  while (rows.next()) {
    const auto verdict = static_cast<std::size_t>(rows.integer());
    if (verdict < counts.size()) counts[verdict] = rows.integer();
  }
  return counts;
}

bool Devices::remove(const std::string& id) { return q_->remove.rows(id).next(); }

std::vector<std::string> Devices::lapsed(Millis now, int limit) {
  std::vector<std::string> ids;
  auto rows = q_->lapsed.rows(now, limit);
  while (rows.next()) ids.push_back(rows.text());
  return ids;
}

std::optional<Millis> Devices::next_lapse() {
  auto rows = q_->next_lapse.rows();
  if (!rows.next()) return {};
  return rows.maybe(&Rows::millis);
}

Devices::Strangers Devices::strangers(const std::string& after, WallTime before, int limit) {
  Strangers found;
  int looked = 0;
  for (auto rows = q_->strangers.rows(after, before, limit); rows.next(); ++looked) {
    found.last = rows.text();
    if (rows.flag()) found.ids.push_back(found.last);
  }
  if (looked < limit) found.last.clear();
  return found;
}

std::vector<Device> Devices::list(const std::string& after, int limit) {
  return readable_rows(q_->list.rows(after), "devices", read, limit);
}

}  // namespace ota::storage
