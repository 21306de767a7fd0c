#include "backup/contents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "backup/archive.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/storage/backend.hpp"

namespace ota::backup {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxList = 256u << 20;  ///< bytes; some 150 for each image

bool is_file_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c != '/' && c != '\x7f'; });
}

Error wrong(const std::filesystem::path& file, const std::string& what) {
  return fail(Errc::malformed, fmt::format("{} is no whole backup: {}", file.string(), what));
}

bool same(const Entry& a, const Entry& b) { return a.name == b.name && a.size == b.size && a.sha256 == b.sha256; }

/// The bytes of the file that the reader stands on, up to `most`.
Result<std::string> read_text(ArchiveReader& reader, std::uint64_t size) {
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t at = 0;
  while (at < text.size()) {
    const auto got = reader.read(std::span(text).subspan(at));
    if (!got) return got.error();
    if (*got == 0) break;
    at += *got;
  }
  text.resize(at);
  return text;
}

Result<void> read_entry(ArchiveReader& reader, Entry& entry, const Begin& begin) {
  auto take = begin(entry);
  if (!take) return take.error();
  firmware::Sha256 hash;
  std::array<char, 64u << 10> block{};
  for (;;) {
    const auto got = reader.read(block);
    if (!got) return got.error();
    if (*got == 0) break;
    const auto bytes = std::span<const char>(block).first(*got);
    hash.update(bytes);
    if (*take)
      if (auto taken = (*take)(bytes); !taken) return taken;
  }
  entry.sha256 = hash.finish();
  return {};
}

}  // namespace

bool is_known(std::string_view name) {
  for (const auto folder : {kKeys, kFirmware})
    if (name.starts_with(folder)) return is_file_name(name.substr(folder.size()));
  return name == kDatabase || name == kDownloadKey || name == kWebhookKey || name == kSettings;
}

std::string to_json(const Contents& contents) {
  auto files = Json::array();
  for (const auto& entry : contents.entries)
    files.push_back({{"name", entry.name}, {"size", entry.size}, {"sha256", to_hex(entry.sha256)}});
  return Json{{"otad", contents.otad},
              {"schema", contents.schema},
              {"created_at", to_rfc3339(contents.created)},
              {"images", contents.images},
              {"files", files}}
             .dump(1) +
         '\n';
}

Result<Contents> parse_contents(std::string_view text) {
  const auto bad = [] { return fail(Errc::malformed, "its list backup.json can't be read"); };
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad();
  try {
    Contents contents;
    contents.otad = json.at("otad").get<std::string>();
    contents.schema = json.at("schema").get<int>();
    const auto created = parse_rfc3339(json.at("created_at").get<std::string>());
    if (!created) return bad();
    contents.created = *created;
    contents.images = json.at("images").get<bool>();
    for (const auto& file : json.at("files")) {
      const auto digest = digest_from_hex(file.at("sha256").get<std::string>());
      if (!digest) return bad();
      contents.entries.push_back({file.at("name").get<std::string>(), file.at("size").get<std::uint64_t>(), *digest});
    }
    return contents;
  } catch (const Json::exception&) {
    return bad();
  }
}

Result<Contents> read_archive(const std::filesystem::path& file, const Begin& begin) {
  auto reader = ArchiveReader::open(file);
  if (!reader) return reader.error();
  std::vector<Entry> seen;
  for (;;) {
    auto item = reader->next();
    if (!item) return item.error();
    if (!*item) return wrong(file, "its end is missing");
    if ((*item)->name == kList) {
      if ((*item)->size > kMaxList) return wrong(file, "its list is too long");
      const auto text = read_text(*reader, (*item)->size);
      if (!text) return text.error();
      auto contents = parse_contents(*text);
      if (!contents) return wrong(file, contents.error().message);
      if (!std::equal(seen.begin(), seen.end(), contents->entries.begin(), contents->entries.end(), same))
        return wrong(file, "its files differ from its list");
      if (const auto more = reader->next(); !more || *more) return wrong(file, "something follows its list");
      if (seen.empty() || seen.front().name != kDatabase) return wrong(file, "it has no database");
      if (contents->schema > storage::newest_schema())
        return fail(Errc::malformed, fmt::format("{} was made by otad {}, whose schema {} is newer than this program's "
                                                 "({}): install that version or a newer one",
                                                 file.string(), contents->otad, contents->schema,
                                                 storage::newest_schema()));
      return contents;
    }
    if (!is_known((*item)->name)) return wrong(file, fmt::format("it holds {}", Json((*item)->name).dump()));
    auto& entry = seen.emplace_back(Entry{(*item)->name, (*item)->size, {}});
    if (auto read = read_entry(*reader, entry, begin); !read) return read.error();
  }
}

Result<Contents> check(const std::filesystem::path& file) {
  return read_archive(file, [](const Entry&) { return Take{}; });
}

}  // namespace ota::backup
