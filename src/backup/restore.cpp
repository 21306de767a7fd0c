#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "backup/contents.hpp"
#include "ota/base/file.hpp"
#include "ota/storage/backend.hpp"

namespace ota::backup {
namespace {

namespace fs = std::filesystem;

/// A folder beside where files will be, so that a rename brings them there. It goes with all that is left in it.
class Staging {
 public:
  explicit Staging(const fs::path& folder) : path_(folder / ".restore") {}
  ~Staging() { clear(); }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Also of what a restore that was killed left.
  Result<void> make() {
    clear();
    std::error_code error;
    fs::create_directories(path_, error);
    if (!error) fs::permissions(path_, fs::perms::owner_all, error);
    if (!error) return {};
    return io_error(error.value(), "create", path_);
  }
  fs::path at(std::string_view name) const { return path_ / fs::path(name).filename(); }

 private:
  void clear() const {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path path_;
};

/// Where a backup's files go.
struct Places {
  Places(const Settings& settings, const fs::path& config_file)
      : database(settings.storage.database), data(database.parent_path()), firmware(settings.storage.firmware_dir),
        keys(settings.security.trusted_keys_dir), config(config_file) {}

  const fs::path& folder_of(std::string_view name) const { return name.starts_with(kFirmware) ? firmware : data; }

  const fs::path database;
  const fs::path data;
  const fs::path firmware;
  const fs::path keys;
  const fs::path config;
};

class Restore {
 public:
  explicit Restore(const Places& places) : places_(places), data_(places.data), firmware_(places.firmware) {}

  Result<void> make() {
    if (auto made = data_.make(); !made) return made;
    return firmware_.make();
  }

  /// Writes a file of the archive into its staging folder.
  Result<Take> begin(const Entry& entry) {
    end();
    auto opened = File::open(staged(entry.name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!opened) return opened.error();
    open_ = std::move(*opened);
    at_ = 0;
    // Root restores for the user that otad runs as, who owns the folder.
    struct stat folder {};
    if (::geteuid() == 0 && ::stat(places_.data.c_str(), &folder) == 0 &&
        ::fchown(open_.descriptor(), folder.st_uid, folder.st_gid) != 0)
      return io_error(errno, "change the owner of", open_.path());
    return Take([this](std::span<const char> bytes) -> Result<void> {
      auto written = open_.write_at(bytes, at_);
      at_ += bytes.size();
      return written;
    });
  }

  /// All files are staged and right.
  Result<void> put(const Contents& contents, const Settings& settings) {
    end();
    if (failed_) return *failed_;
    StorageSettings there = settings.storage;
    there.database = staged(kDatabase).string();
    if (auto whole = storage::make_backend(there)->check(); !whole) return whole;
    const auto schema = storage::schema_of_file(there.database);
    if (!schema) return schema.error();
    if (*schema != contents.schema || *schema == 0)
      return fail(Errc::malformed, fmt::format("the backup's database has schema {}, and its list says {}", *schema,
                                               contents.schema));
    for (const auto& entry : contents.entries)
      if (auto placed = place(entry.name); !placed) return placed;
    for (const auto& folder : {places_.firmware, places_.data})
      if (auto synced = sync_folder(folder); !synced) return synced;
    // With it the restore is done.
    return rename_durably(staged(kDatabase), places_.database);
  }

 private:
  fs::path staged(std::string_view name) const {
    // Keys and images may have any names, also those of the others.
    if (name.starts_with(kFirmware)) return firmware_.at(name);
    return name.starts_with(kKeys) ? data_.at(fmt::format("key-{}", name.substr(kKeys.size()))) : data_.at(name);
  }

  void end() {
    if (open_.descriptor() < 0 || failed_) return;
    if (auto synced = open_.sync(); !synced) failed_ = synced.error();
    open_ = File();
  }

  Result<void> place(const std::string& name) {
    if (name == kDatabase) return {};
    if (name == kSettings) return place_settings();
    auto to = places_.data / name;
    if (name.starts_with(kFirmware)) to = places_.firmware / name.substr(kFirmware.size());
    if (name.starts_with(kKeys)) to = places_.keys / name.substr(kKeys.size());
    std::error_code error;
    if (name.starts_with(kKeys)) {
      if (fs::exists(to, error)) return {};
      fs::create_directories(places_.keys, error);
      fs::copy_file(staged(name), to, error);
      if (!error) fs::permissions(to, fs::perms(0644), error);
      if (error) return io_error(error.value(), "write", to);
      return {};
    }
    return rename_file(staged(name), to);
  }

  Result<void> place_settings() {
    constexpr std::size_t kMost = 1u << 20;
    const auto text = read_file(staged(kSettings), kMost);
    if (!text) return text.error();
    if (const auto present = read_file(places_.config, kMost); present && *present == *text) return {};
    return write_durably(places_.database.string() + ".settings", *text, 0600);
  }

  const Places& places_;
  Staging data_;
  Staging firmware_;
  File open_;
  std::uint64_t at_ = 0;
  std::optional<Error> failed_;
};

}  // namespace

Result<Contents> restore(const Settings& settings, const fs::path& config, const fs::path& file) {
  const Places places(settings, config);
  std::error_code error;
  if (fs::exists(fs::symlink_status(places.database, error)))
    return fail(Errc::in_use, fmt::format("there is a database {}: stop otad and move it away first, with what lies beside "
                                          "it under its name",
                                          places.database.string()));
  for (const auto* ending : {"-wal", "-shm"})
    if (fs::exists(places.database.string() + ending, error))
      return fail(Errc::in_use, fmt::format("{}{} belongs to another database: move it away first",
                                            places.database.string(), ending));
  for (const auto& folder : {places.data, places.firmware}) {
    fs::create_directories(folder, error);
    if (error) return io_error(error.value(), "create", folder);
  }
  Restore work(places);
  if (auto made = work.make(); !made) return made.error();
  auto contents = read_archive(file, [&](const Entry& entry) { return work.begin(entry); });
  if (!contents) return contents;
  if (auto put = work.put(*contents, settings); !put) return put.error();
  return contents;
}

}  // namespace ota::backup
