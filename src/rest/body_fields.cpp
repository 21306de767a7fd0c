#include "rest/body_fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ota/domain/ids.hpp"
#include "ota/domain/version.hpp"

// g++ 12 sees asio's frame allocation inlined, but not its release, and takes them for a mismatched pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace ota::rest {
namespace {

constexpr int kRowsForVersions = 20;  ///< newest rows of the catalogue that are searched for versions
constexpr std::size_t kVersionsInMessage = 5;
constexpr std::size_t kLongestKey = 255;
constexpr std::size_t kNotesBytes = 4096;

}  // namespace

std::optional<WallTime> time_of(wire::JsonFields& fields, std::string_view name) {
  const auto text = fields.text(name, 64);
  if (!text) return std::nullopt;
  const auto time = parse_rfc3339(*text);
  if (!time) fields.errors().add(name, "must be an RFC 3339 time, such as 2026-11-22T08:30:00Z");
  return time;
}

std::optional<std::string> hardware_of(wire::JsonFields& fields) {
  auto text = fields.text("hardware", kMaxText);
  if (text && !valid_hardware(*text)) fields.errors().add("hardware", kHardwareRule);
  return text;
}

std::string version_of(wire::JsonFields& fields, std::string_view name) {
  fields.require(name);
  auto text = fields.text(name, kMaxText);
  if (text && !valid_version(*text))
    fields.errors().add(name, "must be 1 to 128 of A-Z a-z 0-9 . _ + ~ : -, with no . or - in front and no .. inside");
  return std::move(text).value_or("");
}

std::optional<std::string> notes_of(wire::JsonFields& fields) {
  auto text = fields.text("notes", kNotesBytes);
  if (text && text->find('\0') != std::string::npos) fields.errors().add("notes", "must not hold a NUL");
  return text;
}

std::optional<Share> share_of(wire::JsonFields& fields, std::string_view name, bool canary) {
  const auto text = fields.note(name, 64);
  if (!text) return std::nullopt;
  auto share = Share::parse(*text);
  if (share && (canary || share->kind != Share::Kind::canary)) return share;
  fields.errors().add(name, fmt::format("must be {}a number of devices, such as 40, or a percentage from \"0.01%\" to "
                                        "\"100%\"",
                                        canary ? "\"canary\", " : ""));
  return std::nullopt;
}

bool given(const wire::JsonFields& fields, std::string_view name) { return fields.has(name) && !fields.is_null(name); }

boost::asio::awaitable<Result<wire::JsonFields>> fields_of(Call& call) {
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  if (body->empty()) co_return wire::JsonFields::parse("{}", Errc::malformed);
  if (auto json = require_json(call); !json) co_return json.error();
  co_return wire::JsonFields::parse(*body, Errc::malformed);
}

Result<std::string> idempotency_key(const http::Request& request) {
  const auto key = request.header("Idempotency-Key");
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  if (key.size() > kLongestKey || !std::all_of(key.begin(), key.end(), visible))
    return field_error("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
  return std::string(key);
}

boost::asio::awaitable<Error> with_versions(Context& context, Error error) {
  using Rows = std::vector<Firmware>;
  std::function<Result<Rows>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<Rows> {
    return view.firmware.list(0, kRowsForVersions);
  };
  const auto rows = co_await read<Rows>(context.readers, std::move(job));
  if (!rows) co_return error;
  std::vector<std::string> versions;
  for (const auto& row : *rows)
    if (versions.size() < kVersionsInMessage && std::ranges::find(versions, row.version) == versions.end())
      versions.push_back(row.version);
  error.message += versions.empty() ? "; no firmware is uploaded yet"
                                    : fmt::format("; the newest versions are {}", fmt::join(versions, ", "));
  co_return error;
}

}  // namespace ota::rest
