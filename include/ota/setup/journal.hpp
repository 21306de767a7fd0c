// How everything was before setup: copies of all files that it changes, made before the first change of each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ota/base/file.hpp"
#include "ota/base/result.hpp"
#include "ota/setup/machine.hpp"
#include "ota/setup/plan.hpp"

namespace ota::setup {

/// Kept in /var/lib/otad-setup, which only root can read. One process uses it at a time. What its functions answer is
/// on the disk: a kill at any moment leaves a state from which a further run, or undo(), goes on.
class Journal {
 public:
  /// Errc::wrong_state while another process uses it.
  static Result<Journal> open(const Machine& machine);

  /// Whether there is nothing to undo.
  bool empty() const { return entries_.empty() && key_.empty(); }
  /// Whether a run began that didn't end.
  bool pending() const { return pending_; }

  Result<void> begin();
  Result<void> end();
  /// Keeps a copy of each of these files as it is, and of which folders above it are missing, unless it has one.
  /// `user`: to whom the files belong, and with whose rights they are read and restored.
  Result<void> keep(const std::vector<std::string>& paths, const Owner& user = {});
  /// An API key that is made.
  Result<void> note_key(const std::string& name);
  const std::string& key() const { return key_; }

  /// A line for each file that undo() touches.
  std::vector<std::string> describe() const;
  /// Restores all files, and removes those that were not there, and this journal. Reports each.
  Result<void> undo(const std::function<void(const std::string&)>& report);

 private:
  struct Entry {
    std::string path;
    std::string copy;  ///< name in the journal's folder; empty: there was no such file
    bool folder = false;
    mode_t mode = 0;
    Owner owner;
    Owner user;  ///< whose rights count
  };

  explicit Journal(const Machine& machine) : machine_(machine) {}
  Result<void> read();
  Result<void> write() const;
  Result<void> keep_one(const std::string& path, const Owner& user);
  Result<void> restore(const Entry& entry) const;
  bool knows(const std::string& path) const;

  Machine machine_;
  ota::File lock_;
  bool pending_ = false;
  std::string key_;
  std::vector<Entry> entries_;
};

/// Makes the changes of a plan, each whole or not at all, and reports each. With a journal their copies are kept first.
Result<void> apply(const Machine& machine, const Plan& plan, Journal* journal,
                   const std::function<void(const std::string&)>& report);

}  // namespace ota::setup
