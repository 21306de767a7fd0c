#include "ota/storage/actions.hpp"

#include "storage/query.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {
namespace {

Action read(Rows& r) {
  Action action;
  action.id = r.small();
  action.task = r.integer();
  action.attempt = r.small();
  action.device = r.text();
  action.state = r.word<ActionState>();
  action.reports = r.small();
  return action;
}

}  // namespace

static_assert(!is_over(ActionState::refused) && static_cast<int>(ActionState::finished) == 3,
              "the conditions of the indexes say so");

struct Actions::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query newest_id{db, "SELECT seq FROM sqlite_sequence WHERE name='actions'"};
  Query insert{db, "INSERT INTO actions (id, task, attempt, device, state, reports) VALUES (?,?,?,?,?,?)"};
  Query update{db, "UPDATE actions SET state=?2, reports=?3 WHERE id=?1"};
  Query find{db, "SELECT id, task, attempt, device, state, reports FROM actions WHERE id=?"};
  Query last_of{db,
                "SELECT id, task, attempt, device, state, reports FROM actions WHERE task=? ORDER BY id DESC LIMIT 1"};
  Query live_of{db,
                "SELECT id, task, attempt, device, state, reports FROM actions INDEXED BY actions_live WHERE "
                "device=? AND state<3 ORDER BY id"};
  Query last_finished{db, "SELECT MAX(id) FROM actions INDEXED BY actions_finished WHERE device=? AND state=3"};
};

Actions::Actions(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
Actions::~Actions() = default;

bool Actions::insert(Action& action) {
  const auto id = readable_action(q_->newest_id.value(&Rows::integer).value_or(0) + 1);
  if (!id) return false;
  action.id = *id;
  q_->insert.run(action.id, action.task, action.attempt, action.device, action.state, action.reports);
  return true;
}

void Actions::update(const Action& action) { q_->update.run(action.id, action.state, action.reports); }

std::optional<Action> Actions::find(ActionId id) { return first_row(q_->find.rows(id), "actions", read); }

std::optional<Action> Actions::last_of(std::int64_t task) {
  return first_row(q_->last_of.rows(task), "actions", read);
}

std::vector<Action> Actions::live_of(const std::string& device, int limit) {
  return readable_rows(q_->live_of.rows(device), "actions", read, limit);
}

std::optional<ActionId> Actions::last_finished(const std::string& device) {
  auto rows = q_->last_finished.rows(device);
  if (!rows.next() || rows.null()) return {};
  return rows.small();
}

}  // namespace ota::storage
