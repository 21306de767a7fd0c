#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "backup/archive.hpp"
#include "backup/contents.hpp"
#include "ota/base/file.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/storage/backend.hpp"

namespace ota::backup {
namespace {

namespace fs = std::filesystem;

/// Why the backup can't have this name; empty: no error found.
std::string wrong_with(const fs::path& file) {
  std::error_code error;
  const auto there = fs::symlink_status(file, error);
  if (fs::is_directory(there)) return fmt::format("{} is a folder: name a file in it", file.string());
  // A dangling symbolic link is replaced, not followed.
  if (fs::is_symlink(there) && !fs::exists(file, error)) return {};
  if (fs::exists(there)) return fmt::format("{} exists already: name another file", file.string());
  if (there.type() != fs::file_type::not_found)
    return fmt::format("{} can't be examined: {}", file.string(), error.message());
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const auto parent = fs::status(folder, error);
  if (fs::is_directory(parent)) return {};
  return fmt::format("{} is not a writable folder{}", folder.string(),
                     error ? ": " + error.message() : std::string());
}

/// Files that exist until the backup is done or has failed.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    std::error_code ignored;
    for (const auto* ending : {"", "-journal", "-wal", "-shm"}) fs::remove(path_.string() + ending, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

/// Regular files in `folder` by name, of which `wanted` is true.
template <class Wanted>
std::vector<fs::path> files_in(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file(error) && wanted(at->path())) found.push_back(at->path());
  std::sort(found.begin(), found.end());
  return found;
}

class Backup {
 public:
  Backup(ArchiveWriter& archive, Contents& contents) : archive_(archive), contents_(contents) {}

  /// One that isn't there any more is left out: an image may be deleted meanwhile.
  Result<void> add(std::string name, const fs::path& path) {
    auto file = File::open(path, O_RDONLY);
    if (!file && file.error().code == Errc::not_found) return {};
    if (!file) return file.error();
    const auto size = file->size();
    if (!size) return size.error();
    Entry entry{std::move(name), *size, {}};
    firmware::Sha256 hash;
    std::uint64_t at = 0;
    auto added = archive_.add(entry.name, *size, contents_.created, [&](std::span<char> bytes) {
      auto got = read_at(file->descriptor(), bytes, at, path);
      if (got) {
        hash.update(std::span<const char>(bytes).first(*got));
        at += *got;
      }
      return got;
    });
    if (!added) return added;
    entry.sha256 = hash.finish();
    contents_.entries.push_back(std::move(entry));
    return {};
  }

  Result<void> add_list() {
    const auto text = to_json(contents_);
    std::size_t at = 0;
    return archive_.add(std::string(kList), text.size(), contents_.created,
                        [&](std::span<char> bytes) -> Result<std::size_t> {
                          const auto part = text.substr(at, bytes.size());
                          std::copy(part.begin(), part.end(), bytes.begin());
                          at += part.size();
                          return part.size();
                        });
  }

 private:
  ArchiveWriter& archive_;
  Contents& contents_;
};

Result<Contents> write_archive(const Settings& settings, const fs::path& config, const fs::path& database,
                               const fs::path& file, bool images) {
  Contents contents;
  contents.otad = OTAD_VERSION;
  contents.created = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  contents.images = images;
  const auto schema = storage::schema_of_file(database.string());
  if (!schema) return schema.error();
  contents.schema = *schema;
  auto archive = ArchiveWriter::create(file);
  if (!archive) return archive.error();
  Backup backup(*archive, contents);
  std::vector<std::pair<std::string, fs::path>> wanted{
      {std::string(kDatabase), database},
      {std::string(kDownloadKey), fs::path(settings.storage.database).parent_path() / kDownloadKey},
      {std::string(kWebhookKey), fs::path(settings.storage.database).parent_path() / kWebhookKey}};
  if (!config.empty()) wanted.emplace_back(kSettings, config);
  for (auto& key : files_in(settings.security.trusted_keys_dir, [](const auto&) { return true; }))
    wanted.emplace_back(std::string(kKeys) + key.filename().string(), key);
  if (images)
    for (auto& image : files_in(settings.storage.firmware_dir, [](const fs::path& path) {
           return path.extension() == ".img" || path.extension() == ".sums";
         }))
      wanted.emplace_back(std::string(kFirmware) + image.filename().string(), image);
  for (auto& [name, path] : wanted) {
    if (!is_known(name)) continue;
    if (auto added = backup.add(name, path); !added) return added.error();
  }
  if (auto listed = backup.add_list(); !listed) return listed.error();
  if (auto done = archive->finish(); !done) return done.error();
  return contents;
}

}  // namespace

Result<Contents> write(const Settings& settings, const fs::path& config, const fs::path& file, bool images) {
  const fs::path& path = settings.storage.database;
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return fail(Errc::not_found, fmt::format("there is no database {}{}", path.string(),
                                             error ? ": " + error.message() : std::string()));
  if (const auto wrong = wrong_with(file); !wrong.empty()) return fail(Errc::malformed, wrong);
  // Written under a temporary name, so that a file with the final name is always a complete backup.
  const Temporary copy(fmt::format("{}.{}.db.part", file.string(), ::getpid()));
  if (auto copied = storage::make_backend(settings.storage)->backup_to(copy.path().string()); !copied)
    return copied.error();
  const Temporary part(fmt::format("{}.{}.part", file.string(), ::getpid()));
  auto written = write_archive(settings, config, copy.path(), part.path(), images);
  if (!written) return written;
  if (auto whole = check(part.path()); !whole) return whole;
  if (auto renamed = rename_durably(part.path(), file); !renamed) return renamed.error();
  return written;
}

}  // namespace ota::backup
