#include "ota/storage/devices.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "storage/device_row.hpp"
#include "storage/query.hpp"
#include "storage/selection_page.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {

struct Devices::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  Device with_texts(DeviceRow row) const {
    if (row.tagged) row.device.tags = tags.of(row.device.id);
    if (row.attributed) row.device.attributes = attributes.of(row.device.id);
    return std::move(row.device);
  }

  SQLite::Database& db;
  const DeviceTexts tags{db, kTagsTable};
  const DeviceTexts attributes{db, kAttributesTable};
  Query find{db, select_devices("WHERE id=?")};
  Query with_secret{db, "SELECT id FROM devices WHERE secret=? LIMIT 2"};
  Query first_held{db, "SELECT id FROM devices WHERE held_uplink=? ORDER BY held_task LIMIT 1"};
  Query verdicts{db, "SELECT link_verdict, COUNT(*) FROM devices GROUP BY link_verdict"};
  Query lapsed{db,
               "SELECT id FROM devices WHERE ready_task IS NOT NULL AND present_until_tl<=? ORDER BY present_until_tl "
               "LIMIT ?"};
  Query next_lapse{db, "SELECT MIN(present_until_tl) FROM devices WHERE ready_task IS NOT NULL AND "
                   "present_until_tl<=9223372036854775807"};
  Query counts{db,
               "SELECT channel, hardware, version, SUM(n), SUM(CASE WHEN day>=? THEN n ELSE 0 END) FROM fleet "
               "GROUP BY 1, 2, 3"};
  Query online{db, "SELECT minute, poll_s, channel, hardware, n FROM device_minutes WHERE minute>=?"};
  Query strangers{db,
                  "SELECT id, registered=0 AND certified=0 AND secret IS NULL AND COALESCE(last_seen, created)<?2 FROM "
                  "devices WHERE id>?1 ORDER BY id LIMIT ?3"};
};

Devices::Devices(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
Devices::~Devices() = default;

std::optional<Device> Devices::find(const std::string& id) {
  auto row = first_row(q_->find.rows(id), "devices", read_device);
  return row ? std::optional{q_->with_texts(std::move(*row))} : std::nullopt;
}

std::vector<std::string> Devices::with_secret(const Digest& secret) {
  std::vector<std::string> ids;
  for (auto rows = q_->with_secret.rows(secret); rows.next();) ids.push_back(rows.text());
  return ids;
}

std::optional<std::string> Devices::first_held(const std::string& uplink) {
  return q_->first_held.value(&Rows::text, uplink);
}

std::array<std::int64_t, 4> Devices::verdicts() {
  std::array<std::int64_t, 4> counts{};
  for_readable(q_->verdicts.rows(), "devices, link_verdict", [&](Rows& rows) {
    const auto verdict = static_cast<std::size_t>(rows.integer());
    if (verdict < counts.size()) counts[verdict] = rows.integer();
  });
  return counts;
}

std::int64_t Devices::online(const Presence& presence, const std::optional<std::string>& channel,
                             const std::optional<std::string>& hardware) {
  using std::chrono::minutes;
  const auto minute_of = [](WallTime at) { return std::chrono::floor<minutes>(at).time_since_epoch().count(); };
  std::int64_t count = 0;
  Device like;
  for_readable(q_->online.rows(static_cast<std::int64_t>(minute_of(presence.earliest()))), "device_minutes",
               [&](Rows& rows) {
                 const auto minute = rows.integer();
                 like.poll = std::chrono::seconds{rows.integer()};
                 const auto its_channel = rows.text();
                 const auto its_hardware = rows.text();
                 if ((channel && *channel != its_channel) || (hardware && *hardware != its_hardware)) return;
                 if (minute >= minute_of(presence.now - like.online_for(presence.present))) count += rows.integer();
               });
  return count;
}

std::vector<std::string> Devices::lapsed(Millis now, int limit) {
  std::vector<std::string> ids;
  auto rows = q_->lapsed.rows(now, limit);
  while (rows.next()) ids.push_back(rows.text());
  return ids;
}

std::optional<Millis> Devices::next_lapse() { return q_->next_lapse.value(&Rows::millis); }

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

Selected<Device> Devices::list(const Selection& selection, int limit, const std::optional<Place>& after) {
  return select_page<Device>(q_->db, selection, Selects::devices, limit, after,
                             [this](const SqlValue& id) -> std::optional<Device> {
                               const auto* text = std::get_if<std::string>(&id);
                               return text ? find(*text) : std::nullopt;
                             });
}

std::int64_t Devices::count(const Selection& selection) {
  if (!only_of(selection, {"channel", "hardware", "version"})) return count_rows(q_->db, selection, Selects::devices);
  std::int64_t count = 0;
  for (const auto& one : counts({}, {}).versions) {
    Device like;
    like.channel = one.channel;
    like.hardware = one.hardware;
    like.current_version = one.version;
    if (matches(selection.conditions, Subject{&like})) count += one.devices;
  }
  return count;
}

DeviceCounts Devices::counts(const Presence& presence, WallTime living_since) {
  DeviceCounts counts;
  const auto day = std::chrono::floor<std::chrono::days>(living_since).time_since_epoch().count();
  for_readable(q_->counts.rows(static_cast<std::int64_t>(day)), "fleet", [&](Rows& rows) {
    DeviceCounts::Version one{rows.text(), rows.text(), rows.text(), rows.integer(), rows.integer()};
    counts.total += one.devices;
    counts.living += one.living;
    if (one.devices > 0) counts.versions.push_back(std::move(one));
  });
  std::stable_sort(counts.versions.begin(), counts.versions.end(),
                   [](const auto& a, const auto& b) { return a.devices > b.devices; });
  counts.online = online(presence);
  return counts;
}

}  // namespace ota::storage
