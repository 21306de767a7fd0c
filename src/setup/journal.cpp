#include "ota/setup/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <toml++/toml.h>

#include "setup/files.hpp"

namespace ota::setup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "/var/lib/otad-setup";
constexpr const char* kList = "journal.toml";

fs::path folder_of(const Machine& machine) { return machine.at(kFolder); }

/// The work with files of a user has the user's rights.
Result<void> as_owner(const Owner& user, const std::function<Result<void>()>& work) {
  const auto done = as_user(user, [&]() -> Result<std::string> {
    if (auto result = work(); !result) return result.error();
    return std::string();
  });
  if (!done) return done.error();
  return {};
}

Error no_list(const fs::path& path, std::string_view why) {
  return fail(Errc::server_fault, fmt::format("the journal of setup can't be read: {}: {}", path.string(), why));
}

}  // namespace

Result<Journal> Journal::open(const Machine& machine) {
  Journal journal(machine);
  const auto folder = folder_of(machine);
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return io_error(errno, "make the folder", folder);
  auto lock = ota::File::open(folder, O_RDONLY | O_DIRECTORY);
  if (!lock) return lock.error();
  const auto locked = lock->lock();
  if (!locked) return locked.error();
  if (!*locked) return fail(Errc::wrong_state, "another otad setup runs: wait for its end");
  journal.lock_ = std::move(*lock);
  if (auto read = journal.read(); !read) return read.error();
  return journal;
}

Result<void> Journal::read() {
  const auto path = folder_of(machine_) / kList;
  const auto text = look(path);
  if (!text) return text.error();
  if (!*text) return {};
  try {
    const auto table = toml::parse((*text)->content);
    pending_ = table["pending"].value_or(false);
    key_ = table["key"].value_or("");
    const auto* entries = table["files"].as_array();
    for (std::size_t i = 0; entries && i < entries->size(); ++i) {
      const auto entry = toml::node_view<const toml::node>(entries->get(i));
      const auto number = [&](const char* key) { return static_cast<unsigned>(entry[key].value_or(std::int64_t{0})); };
      entries_.push_back({entry["path"].value_or(""), entry["copy"].value_or(""), entry["folder"].value_or(false),
                          number("mode"), {number("uid"), number("gid")}, {number("user"), number("group")}});
    }
  } catch (const toml::parse_error& broken) {
    return no_list(path, broken.description());
  }
  return {};
}

Result<void> Journal::write() const {
  toml::array files;
  for (const auto& entry : entries_)
    files.push_back(toml::table{{"path", entry.path}, {"copy", entry.copy}, {"folder", entry.folder},
                                {"mode", std::int64_t{entry.mode}}, {"uid", std::int64_t{entry.owner.user}},
                                {"gid", std::int64_t{entry.owner.group}}, {"user", std::int64_t{entry.user.user}},
                                {"group", std::int64_t{entry.user.group}}});
  std::ostringstream text;
  text << toml::table{{"pending", pending_}, {"key", key_}, {"files", std::move(files)}} << '\n';
  return put(folder_of(machine_) / kList, {text.str(), 0600, {}});
}

Result<void> Journal::begin() {
  pending_ = true;
  return write();
}

Result<void> Journal::end() {
  pending_ = false;
  return write();
}

Result<void> Journal::note_key(const std::string& name) {
  key_ = name;
  return write();
}

bool Journal::knows(const std::string& path) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.path == path; });
}

Result<void> Journal::keep(const std::vector<std::string>& paths, const Owner& user) {
  for (const auto& path : paths)
    if (auto kept = keep_one(path, user); !kept) return kept;
  return write();
}

Result<void> Journal::keep_one(const std::string& path, const Owner& user) {
  if (knows(path)) return {};
  std::vector<fs::path> missing;
  std::error_code error;
  for (auto folder = fs::path(path).parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    if (!fs::exists(machine_.at(folder), error) && !knows(folder.string())) missing.push_back(folder);
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder)
    entries_.push_back({folder->string(), "", true, 0, {}, user});
  Entry entry{path, "", false, 0, {}, user};
  // A user's file is read as the user, who else could have root copy what the user can't read.
  const auto found = as_user(user, [&]() -> Result<std::string> {
    const auto file = look(machine_.at(path));
    if (!file) return file.error();
    if (!*file) return std::string();
    return fmt::format("{} {} {}\n{}", (*file)->mode, (*file)->owner.user, (*file)->owner.group, (*file)->content);
  });
  if (!found) return found.error();
  if (!found->empty()) {
    std::istringstream(*found) >> entry.mode >> entry.owner.user >> entry.owner.group;
    entry.copy = std::to_string(entries_.size());
    const auto content = found->substr(found->find('\n') + 1);
    if (auto copied = put(folder_of(machine_) / entry.copy, {content, 0600, {}}); !copied) return copied;
  }
  entries_.push_back(std::move(entry));
  return {};
}

std::vector<std::string> Journal::describe() const {
  std::vector<std::string> lines;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry)
    if (!entry->folder) lines.push_back(fmt::format("{} {}", entry->copy.empty() ? "remove " : "restore", entry->path));
  return lines;
}

Result<void> Journal::restore(const Entry& entry) const {
  const auto path = machine_.at(entry.path);
  if (entry.folder || entry.copy.empty())
    return as_owner(entry.user, [&]() -> Result<void> {
      // What a kill left.
      if (!entry.folder) ::unlink((path.string() + ".new").c_str());
      const int failed = entry.folder ? ::rmdir(path.c_str()) : ::unlink(path.c_str());
      // A folder that holds something else by now stays.
      const bool fine = failed == 0 || errno == ENOENT || errno == ENOTDIR ||
                        (entry.folder && (errno == ENOTEMPTY || errno == EEXIST));
      if (!fine) return io_error(errno, "remove", path);
      std::error_code error;
      if (!fs::exists(path.parent_path(), error)) return {};
      return sync_folder(path.parent_path());
    });
  const auto copy = look(folder_of(machine_) / entry.copy);
  if (!copy) return copy.error();
  if (!*copy) return fail(Errc::not_found, fmt::format("the copy {}/{} of {} is missing", kFolder, entry.copy, entry.path));
  return as_owner(entry.user, [&]() { return put(path, {(*copy)->content, entry.mode, entry.owner}); });
}

Result<void> Journal::undo(const std::function<void(const std::string&)>& report) {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (auto restored = restore(*entry); !restored) return restored;
    if (!entry->folder) report(fmt::format("{} {}", entry->copy.empty() ? "removed " : "restored", entry->path));
  }
  const auto folder = folder_of(machine_);
  std::error_code error;
  fs::remove(folder / kList, error);
  if (auto synced = sync_folder(folder); !synced) return synced;
  fs::remove_all(folder, error);
  if (error) return fail(Errc::server_fault, fmt::format("can't remove {}: {}", folder.string(), error.message()));
  entries_.clear();
  key_.clear();
  pending_ = false;
  return {};
}

Result<void> apply(const Machine& machine, const Plan& plan, Journal* journal,
                   const std::function<void(const std::string&)>& report) {
  std::vector<std::string> paths;
  for (const auto& change : plan.changes) paths.push_back(change.file.path);
  if (journal)
    if (auto kept = journal->keep(paths); !kept) return kept;
  for (const auto& [file, shown] : plan.changes) {
    const auto path = machine.at(file.path);
    std::error_code error;
    if (fs::create_directories(path.parent_path(), error))
      fs::permissions(path.parent_path(), fs::perms{0755}, error);
    if (auto written = put(path, {file.content, file.mode, file.owner}); !written) return written;
    report(fmt::format("wrote {}", file.path));
  }
  return {};
}

}  // namespace ota::setup
