#include "ota/storage/fleet.hpp"

#include <utility>

#include "storage/query.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {
namespace {

Channel read_channel(Rows& r) {
  Channel channel;
  channel.name = r.text();
  auto windows = windows_from_text(r.text());
  if (!windows) throw BadValue("windows can't be read");
  channel.windows = std::move(*windows);
  channel.approval = r.flag();
  channel.notes = r.text();
  return channel;
}

}  // namespace

struct Fleet::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query channel{db, "SELECT name, windows, approval, notes FROM channels WHERE name=?"};
  Query channels{db, "SELECT name, windows, approval, notes FROM channels ORDER BY name"};
  Query put_channel{db, "INSERT OR REPLACE INTO channels (name, windows, approval, notes) VALUES (?,?,?,?)"};
  Query remove_channel{db, "DELETE FROM channels WHERE name=?"};
  Query remove_targets{db, "DELETE FROM targets WHERE channel=?"};
  Query has_devices{db, "SELECT 1 FROM devices WHERE channel=? LIMIT 1"};
  Query targets{db, "SELECT channel, hardware, version, rollout FROM targets ORDER BY channel, hardware"};
  Query put_target{db, "INSERT OR REPLACE INTO targets (channel, hardware, version, rollout) VALUES (?,?,?,?)"};
  Query remove_target{db, "DELETE FROM targets WHERE channel=? AND hardware=? RETURNING 1"};
  Query counts_of{db,
                  "SELECT channel, hardware, version, pinned, SUM(n), SUM(CASE WHEN day>=?2 THEN n ELSE 0 END) FROM "
                  "fleet WHERE channel=?1 GROUP BY 1, 2, 3, 4 HAVING SUM(n)>0"};
  Query counts{db,
               "SELECT channel, hardware, version, pinned, SUM(n), SUM(CASE WHEN day>=?1 THEN n ELSE 0 END) FROM fleet "
               "GROUP BY 1, 2, 3, 4 HAVING SUM(n)>0"};
  Query ring{db,
             "SELECT id, hardware, current_version, ring, present_until_tl>?4 FROM devices WHERE channel=?1 AND "
             "ring>=?2 AND ring<?3 AND pinned=0 ORDER BY ring LIMIT ?5"};
  Query add_point{db, "INSERT OR REPLACE INTO fleet_points (channel, hardware, version, at, n) VALUES (?,?,?,?,?)"};
  Query points{db,
               "SELECT channel, hardware, version, MAX(at), n FROM fleet_points INDEXED BY fleet_points_at WHERE at>=?3 "
               "AND (?1 IS NULL OR channel=?1) AND (?2 IS NULL OR hardware=?2) GROUP BY channel, hardware, version, "
               "at/?4 ORDER BY 4, 1, 2, 3 LIMIT ?5"};
  // From one version to the next, without a look at the points between.
  Query next_key{db,
                 "SELECT channel, hardware, version FROM fleet_points WHERE (channel, hardware, version)>(?1, ?2, ?3) "
                 "ORDER BY channel, hardware, version LIMIT 1"};
  Query last_point{db,
                   "SELECT at, n FROM fleet_points WHERE channel=?1 AND hardware=?2 AND version=?3 AND at<?4 ORDER BY "
                   "at DESC LIMIT 1"};
  Query prune_points{db,
                     "DELETE FROM fleet_points WHERE (channel, hardware, version, at) IN (SELECT channel, hardware, "
                     "version, at FROM fleet_points WHERE at<? LIMIT ?)"};
};

Fleet::Fleet(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
Fleet::~Fleet() = default;

std::optional<Channel> Fleet::channel(const std::string& name) {
  return first_row(q_->channel.rows(name), "channels", read_channel);
}

std::vector<Channel> Fleet::channels() { return readable_rows(q_->channels.rows(), "channels", read_channel); }

void Fleet::put(const Channel& channel) {
  const auto windows = to_text(channel.windows);
  q_->put_channel.run(channel.name, windows, channel.approval, channel.notes);
}

void Fleet::remove_channel(const std::string& name) {
  q_->remove_channel.run(name);
  q_->remove_targets.run(name);
}

bool Fleet::has_devices(const std::string& channel) { return q_->has_devices.rows(channel).next(); }

std::vector<Target> Fleet::targets() {
  std::vector<Target> found;
  for_readable(q_->targets.rows(), "targets", [&](Rows& rows) {
    Target target;
    target.channel = rows.text();
    target.hardware = rows.text();
    target.version = rows.text();
    target.rollout = rows.integer();
    found.push_back(std::move(target));
  });
  return found;
}

void Fleet::put(const Target& target) {
  q_->put_target.run(target.channel, target.hardware, target.version, target.rollout);
}

bool Fleet::remove_target(const std::string& channel, const std::string& hardware) {
  return q_->remove_target.rows(channel, hardware).next();
}

std::vector<FleetCount> Fleet::counts(const std::string& channel, std::int64_t living_since_day) {
  std::vector<FleetCount> found;
  for_readable(channel.empty() ? q_->counts.rows(living_since_day) : q_->counts_of.rows(channel, living_since_day), "fleet", [&](Rows& rows) {
    FleetCount count;
    count.channel = rows.text();
    count.hardware = rows.text();
    count.version = rows.text();
    count.pinned = rows.flag();
    count.devices = rows.integer();
    count.living = rows.integer();
    found.push_back(std::move(count));
  });
  return found;
}

std::vector<RingDevice> Fleet::ring(const std::string& channel, std::uint64_t from, std::uint64_t to, Millis now,
                                    int limit) {
  std::vector<RingDevice> found;
  for_readable(q_->ring.rows(channel, from, to, now, limit), "devices", [&](Rows& rows) {
    RingDevice device;
    device.id = rows.text();
    device.hardware = rows.text();
    device.version = rows.text();
    device.ring = rows.unsigned32();
    device.present = rows.flag();
    found.push_back(std::move(device));
  });
  return found;
}

void Fleet::add_point(const Point& point) {
  q_->add_point.run(point.channel, point.hardware, point.version, point.at, point.devices);
}

std::vector<Fleet::Point> Fleet::points(const std::optional<std::string>& channel,
                                        const std::optional<std::string>& hardware, WallTime since, Millis step,
                                        int limit) {
  std::vector<Point> found;
  for_readable(q_->points.rows(channel, hardware, since, step, limit), "fleet_points", [&](Rows& rows) {
    Point point;
    point.channel = rows.text();
    point.hardware = rows.text();
    point.version = rows.text();
    point.at = rows.time();
    point.devices = rows.integer();
    found.push_back(std::move(point));
  });
  return found;
}

std::vector<Fleet::Point> Fleet::last_points(int limit, std::optional<WallTime> before) {
  std::vector<Point> found;
  const auto end = before.value_or(WallTime::max());
  Point at;
  while (found.size() < static_cast<std::size_t>(limit)) {
    Point next;
    {
      auto keys = q_->next_key.rows(at.channel, at.hardware, at.version);
      if (!keys.next()) break;
      next.channel = keys.text();
      next.hardware = keys.text();
      next.version = keys.text();
    }
    at = next;
    auto rows = q_->last_point.rows(next.channel, next.hardware, next.version, end);
    if (!rows.next()) continue;
    next.at = rows.time();
    next.devices = rows.integer();
    found.push_back(std::move(next));
  }
  return found;
}

void Fleet::prune_points(WallTime before, int limit) { q_->prune_points.run(before, limit); }

}  // namespace ota::storage
