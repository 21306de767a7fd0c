#include "backup/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>

#ifdef OTAD_STATIC_LIBARCHIVE
#include "backup/static_libarchive.hpp"
#endif

namespace ota::backup {
namespace {

constexpr std::size_t kBlock = 64u << 10;

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

const char* reason(archive* handle) {
  const char* text = archive_error_string(handle);
  return text ? text : "unknown error";
}

}  // namespace

// Works for archives in both directions.
void CloseArchive::operator()(archive* handle) const { archive_free(handle); }

Result<ArchiveWriter> ArchiveWriter::create(const std::filesystem::path& path) {
  auto file = File::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  ArchiveWriter writer(std::move(*file), Handle(archive_write_new()));
  auto* handle = writer.handle_.get();
  if (!handle || archive_write_set_format_pax_restricted(handle) != ARCHIVE_OK ||
      archive_write_add_filter_zstd(handle) != ARCHIVE_OK ||
      archive_write_open_fd(handle, writer.file_.descriptor()) != ARCHIVE_OK)
    return writer.failed("started");
  return writer;
}

Error ArchiveWriter::failed(const std::string& action) const {
  const int number = handle_ ? archive_errno(handle_.get()) : ENOMEM;
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) return io_error(number, "write", file_.path());
  return fail(Errc::server_fault,
              fmt::format("the archive {} can't be {}: {}", file_.path().string(), action, reason(handle_.get())));
}

Result<void> ArchiveWriter::add(const std::string& name, std::uint64_t size, WallTime changed, const Source& source) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(changed).time_since_epoch().count();
  archive_entry_set_mtime(entry.get(), static_cast<std::time_t>(seconds), 0);
  if (archive_write_header(handle_.get(), entry.get()) != ARCHIVE_OK) return failed("written");
  std::array<char, kBlock> block{};
  for (auto left = size; left > 0;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
    const auto got = source(std::span(block).first(want));
    if (!got) return got.error();
    if (*got == 0) return fail(Errc::server_fault, fmt::format("{} became shorter while it was copied", name));
    if (archive_write_data(handle_.get(), block.data(), *got) != static_cast<la_ssize_t>(*got)) return failed("written");
    left -= *got;
  }
  return {};
}

Result<void> ArchiveWriter::finish() {
  if (archive_write_close(handle_.get()) != ARCHIVE_OK) return failed("completed");
  return file_.sync();
}

Result<ArchiveReader> ArchiveReader::open(const std::filesystem::path& path) {
  ArchiveReader reader(path, Handle(archive_read_new()));
  auto* handle = reader.handle_.get();
  if (!handle || archive_read_support_format_tar(handle) != ARCHIVE_OK ||
      archive_read_support_filter_zstd(handle) != ARCHIVE_OK ||
      archive_read_open_filename(handle, path.c_str(), kBlock) != ARCHIVE_OK)
    return reader.failed();
  return reader;
}

Error ArchiveReader::failed() const {
  return fail(Errc::malformed,
              fmt::format("{} can't be read as a backup: {}", path_.string(), reason(handle_.get())));
}

Result<std::optional<ArchiveReader::Item>> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(handle_.get(), &entry);
  if (result == ARCHIVE_EOF) return std::optional<Item>{};
  if (result != ARCHIVE_OK) return failed();
  const char* name = archive_entry_pathname(entry);
  if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_size(entry) < 0)
    return fail(Errc::malformed,
                fmt::format("{} is no backup of otad: it holds more than plain files", path_.string()));
  return std::optional(Item{name, static_cast<std::uint64_t>(archive_entry_size(entry))});
}

Result<std::size_t> ArchiveReader::read(std::span<char> bytes) {
  const auto got = archive_read_data(handle_.get(), bytes.data(), bytes.size());
  if (got < 0) return failed();
  return static_cast<std::size_t>(got);
}

}  // namespace ota::backup
