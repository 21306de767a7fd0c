// Backups: everything that a server needs to go on elsewhere, in one archive (docs/operating.md, Backup and restore).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"
#include "ota/domain/digest.hpp"

namespace ota::backup {

struct Entry {
  std::string name;  ///< otad.db, download.key, webhook.key, otad.toml, keys/NAME or firmware/NAME
  std::uint64_t size = 0;
  Digest sha256{};
};

struct Contents {
  std::string otad;  ///< the version that wrote it
  int schema = 0;    ///< of its database
  WallTime created{};
  bool images = true;
  std::vector<Entry> entries;
};

/// Writes database, keys of download addresses and of webhooks, settings file (`config`; empty: none), trusted keys and, with `images`,
/// firmware into `file`, 0600, while a daemon may run, and reads all of it back. `file` is whole or not there, also
/// after a crash. Errc::malformed: that name can't be used; Errc::not_found: no database; Errc::disk_full;
/// Errc::server_fault.
Result<Contents> write(const Settings& settings, const std::filesystem::path& config, const std::filesystem::path& file,
                       bool images);

/// Reads all of a backup. Errc::malformed: it is none, incomplete or damaged, or of a newer otad.
Result<Contents> check(const std::filesystem::path& file);

/// Puts a backup where the settings say, checked before. The database comes last: without it nothing was restored.
/// What is there already stays: images and keys of the same name, and the settings file, beside which
/// `<database>.settings` is written where it differs. Errc::in_use: there is a database, or a daemon works on it; else
/// as check() and write().
Result<Contents> restore(const Settings& settings, const std::filesystem::path& config,
                         const std::filesystem::path& file);

}  // namespace ota::backup
