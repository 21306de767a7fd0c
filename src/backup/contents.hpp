// The list at the end of an archive, and what may be in it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "ota/backup/backup.hpp"

namespace ota::backup {

inline constexpr std::string_view kList = "backup.json";
inline constexpr std::string_view kDatabase = "otad.db";
inline constexpr std::string_view kDownloadKey = "download.key";
inline constexpr std::string_view kWebhookKey = "webhook.key";
inline constexpr std::string_view kSettings = "otad.toml";
inline constexpr std::string_view kKeys = "keys/";
inline constexpr std::string_view kFirmware = "firmware/";

/// Whether a backup may hold a file of that name: known, and below its folder.
bool is_known(std::string_view name);

std::string to_json(const Contents& contents);
Result<Contents> parse_contents(std::string_view json);

/// Called for each file of an archive; what it returns takes the file's bytes, or is empty where nobody needs them.
using Take = std::function<Result<void>(std::span<const char>)>;
using Begin = std::function<Result<Take>(const Entry& entry)>;

/// Reads all of an archive and compares it with its list, which must be the last file. Errors as check().
Result<Contents> read_archive(const std::filesystem::path& file, const Begin& begin);

}  // namespace ota::backup
