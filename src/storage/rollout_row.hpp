// Rows of `rollouts` and `rollout_stages`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ota/domain/rollout.hpp"
#include "storage/query.hpp"

namespace ota::storage {

std::string select_rollouts(const std::string& rest);
/// All but its stages.
Rollout read_rollout(Rows& rows);

class RolloutWriter {
 public:
  explicit RolloutWriter(SQLite::Database& db);
  void insert(Rollout& rollout);
  void update(const Rollout& rollout);
  void read_stages(Rollout& rollout) const;

 private:
  void save_stages(const Rollout& rollout);

  SQLite::Database& db_;
  Query insert_;
  Query update_;
  Query save_stage_;
  Query remove_stages_;
  Query stages_;
};

}  // namespace ota::storage
