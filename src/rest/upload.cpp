// POST /firmware: the body is the image (docs/rest.md, Firmware).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/version.hpp"
#include "ota/firmware/hash.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/query.hpp"
#include "rest/upload_pump.hpp"

namespace ota::rest {
namespace {

constexpr int kMaxUploads = 16;  ///< at once; one more is answered 503
constexpr std::size_t kLongestNotes = 2000;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::uint64_t kSpareBytes = 16u << 20;  ///< kept free for the database

/// What the query announces about the image.
struct Announced {
  Firmware firmware;
  std::string filename;  ///< empty: the default
  std::optional<Digest> checksum;
};

void read_names(QueryFields& query, Firmware& firmware) {
  const auto version = query.text("version");
  if (!version) {
    query.errors().add("version", "is missing");
  } else if (!valid_version(*version)) {
    query.errors().add("version",
                       "must be 1 to 128 of A-Z a-z 0-9 . _ + ~ : -, with no . or - in front and no .. inside "
                       "(in a query, write + as %2B)");
  }
  firmware.version = version.value_or("");
  firmware.hardware = query.text("hardware").value_or("");
  if (!valid_hardware(firmware.hardware)) query.errors().add("hardware", kHardwareRule);
}

void read_notes(QueryFields& query, Firmware& firmware) {
  firmware.notes = query.text("notes").value_or("");
  if (firmware.notes.size() > kLongestNotes)
    query.errors().add("notes", fmt::format("must have at most {} bytes", kLongestNotes));
  if (firmware.notes.find('\0') != std::string::npos) query.errors().add("notes", "must not hold a NUL");
}

void read_signature(QueryFields& query, Firmware& firmware) {
  const auto value = query.text("signature");
  const auto key_id = query.text("key_id");
  if (!value && !key_id) return;
  if (!value) query.errors().add("signature", "is required together with key_id");
  if (!key_id) query.errors().add("key_id", "is required together with signature");
  if (value) {
    const auto bytes = firmware::parse_base64(*value);
    if (!bytes || bytes->size() != kSignatureBytes)
      query.errors().add("signature", "must be 64 bytes in base64 (in a query, write + as %2B)");
  }
  if (key_id && (key_id->empty() || !valid_hardware(*key_id)))
    query.errors().add("key_id", "must be 1 to 64 of A-Z a-z 0-9 _ . : @ -");
  firmware.signature = FirmwareSignature{key_id.value_or(""), value.value_or("")};
}

Result<Announced> announced_by(const http::Request& request, WallTime now) {
  auto query = QueryFields::parse(request.query(),
                                  {"version", "hardware", "filename", "checksum", "security", "notes", "signature",
                                   "key_id"});
  if (!query) return query.error();
  Announced announced;
  read_names(*query, announced.firmware);
  if (const auto filename = query->text("filename")) {
    if (!valid_filename(*filename)) query->errors().add("filename", kFilenameRule);
    announced.filename = *filename;
  }
  read_notes(*query, announced.firmware);
  read_signature(*query, announced.firmware);
  announced.firmware.security = query->boolean("security").value_or(false);
  announced.firmware.created = now;
  if (const auto text = query->text("checksum")) {
    announced.checksum = parse_checksum(*text);
    if (!announced.checksum) query->errors().add("checksum", "must be sha256: and 64 hexadecimal digits");
  }
  if (request.header("Content-Type").starts_with("multipart/"))
    query->errors().add("Content-Type",
                        "must not be multipart: send the image itself as the body (curl -X POST -T FILE)");
  if (auto checked = query->check(); !checked) return checked.error();
  return announced;
}

/// The checks that are possible before the body is read.
Result<void> may_begin(const Context& context, const Call& call, const Firmware& firmware) {
  const auto limit = context.options.max_upload_bytes;
  const auto length = call.request.content_length();
  if (length && *length > limit)
    return fail(Errc::too_large, fmt::format("the image has {} bytes; at most {} are accepted", *length, limit));
  if (context.trust->signature_required() && !firmware.signature) {
    return fail(Errc::signature_invalid,
                "only signed firmware is accepted: give signature and key_id (security.require_signed_firmware)");
  }
  const auto free = context.store.free_bytes();
  if (length && free && *length + kSpareBytes > *free) {
    return fail(Errc::disk_full, fmt::format("the image has {} bytes and the disk of storage.firmware_dir only {} "
                                             "free; remove firmware or give it more room",
                                             *length, *free));
  }
  return {};
}

/// Counts an upload during its lifetime.
class UploadSlot {
 public:
  explicit UploadSlot(std::atomic<int>& count) : count_(count), taken_(++count <= kMaxUploads) {}
  ~UploadSlot() { --count_; }
  UploadSlot(const UploadSlot&) = delete;
  UploadSlot& operator=(const UploadSlot&) = delete;
  bool taken() const { return taken_; }

 private:
  std::atomic<int>& count_;
  const bool taken_;
};

/// Whether the version exists with different content. The engine checks it again when it commits.
boost::asio::awaitable<Result<void>> check_version(Context& context, const Firmware& firmware) {
  std::function<Result<std::optional<Digest>>(storage::ReadView&)> job =
      [version = firmware.version,
       hardware = firmware.hardware](storage::ReadView& view) -> Result<std::optional<Digest>> {
    const auto row = view.firmware.find(version, hardware);
    return row ? std::optional(row->checksum) : std::nullopt;
  };
  auto there = co_await read<std::optional<Digest>>(context.readers, std::move(job));
  if (!there) co_return there.error();
  if (*there && **there != firmware.checksum) {
    co_return fail(Errc::version_exists,
                   fmt::format("firmware {} exists with different content ({}); give the new image another version",
                               firmware.version, to_checksum(**there)));
  }
  co_return Result<void>{};
}

/// Compares digest and size of the received image with the announced ones.
Result<void> judge(Context& context, Call& call, const Announced& announced) {
  const auto& firmware = announced.firmware;
  if (announced.checksum && *announced.checksum != firmware.checksum) {
    call.problem_status = 422;
    Error error = fail(Errc::checksum_differs, fmt::format("the {} bytes received have {}, not the given checksum",
                                                           firmware.size, to_checksum(firmware.checksum)));
    error.fields.push_back({"checksum", "is not that of the body"});
    return error;
  }
  return context.trust->judge(firmware);
}

}  // namespace

Answering upload_firmware(Context& context, Call& call) {
  const UploadSlot slot(context.uploads);
  if (!slot.taken()) {
    co_return fail(Errc::overloaded, fmt::format("{} uploads are already in progress; try again later", kMaxUploads));
  }
  auto announced = announced_by(call.request, context.clock.wall());
  if (!announced) co_return announced.error();
  auto& firmware = announced->firmware;
  if (auto begun = may_begin(context, call, firmware); !begun) co_return begun.error();
  auto upload = context.store.begin_upload();
  if (!upload) co_return upload.error();

  DiskSteps steps(context.store, std::move(*upload));
  auto pumped = co_await pump_body(call.request, steps, context.options.max_upload_bytes);
  if (!pumped) co_return pumped.error();

  const auto stored = std::make_shared<firmware::Stored>();
  DiskSteps::Step finish = [stored](firmware::Upload& uploaded) -> Result<void> {
    auto result = uploaded.finish();
    if (!result) return result.error();
    *stored = *result;
    return {};
  };
  auto finished = co_await steps.run(std::move(finish));
  if (!finished) co_return finished.error();
  firmware.checksum = stored->checksum;
  firmware.size = stored->size;
  if (announced->filename.empty()) announced->filename = default_filename(firmware, stored->swupdate);
  firmware.file = FirmwareFile{announced->filename, stored->sha1, stored->md5};
  if (auto good = judge(context, call, *announced); !good) co_return good.error();
  auto fits = co_await check_version(context, firmware);
  if (!fits) co_return fits.error();

  DiskSteps::Step commit = [](firmware::Upload& uploaded) -> Result<void> {
    auto image = uploaded.commit();
    if (!image) return image.error();
    return {};
  };
  auto committed = co_await steps.run(std::move(commit));
  if (!committed) co_return committed.error();

  using Added = engine::AddedFirmware;
  std::function<void(engine::Done<Added>)> start = [&context, firmware, caller = call.caller()](auto done) {
    context.engine.registry().add_firmware(firmware, caller, std::move(done));
  };
  auto added = co_await command<Added>(std::move(start));
  if (!added) co_return added.error();
  auto reply = wire::json_reply(added->created ? 201 : 200, to_text(firmware_json(added->firmware)));
  if (added->created) add_location(context, reply, fmt::format("/firmware/{}", added->firmware.id));
  co_return reply;
}

}  // namespace ota::rest
