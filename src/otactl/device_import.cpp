#include "otactl/device_import.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "ota/base/file.hpp"
#include "ota/credentials/secrets.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestImport = 8u << 20;  ///< of a file, as the server takes it
constexpr std::size_t kMostLinesShown = 50;
constexpr const char* kPasswords = "mosquitto.passwd";

/// A folder for secrets, seen to take files before the server is asked for any.
void prepare(const fs::path& folder) {
  std::error_code error;
  const bool fresh = fs::create_directories(folder, error);
  if (fresh) fs::permissions(folder, fs::perms::owner_all, error);
  const auto probe = folder / ".otactl";
  auto written = error ? Result<void>(fail(Errc::server_fault, error.message())) : write_durably(probe, "x", 0600);
  fs::remove(probe, error);
  if (!written)
    throw Failure(kRefused, fmt::format("no device was imported: {} takes no files: {}", printable(folder.string()),
                                        written.error().message));
}

Reply import(Call& call, std::string text, bool tokens) {
  Request request;
  request.method = "POST";
  request.path = "/devices/import";
  request.silence = std::chrono::seconds{0};
  const auto file = call.argument("FILE");
  request.content_type = file.ends_with(".ndjson") || file.ends_with(".jsonl") ? "application/x-ndjson" : "text/csv";
  request.body = std::move(text);
  if (call.has("dry-run")) request.query.emplace_back("dry_run", "true");
  if (call.has("skip-bad")) request.query.emplace_back("skip_bad", "true");
  if (tokens) request.query.emplace_back("tokens", "true");
  auto reply = call.client().try_call(request);
  const auto json = reply.status == 422 ? reply.json() : Json();
  if (reply.status >= 300 && !json.contains("lines")) throw call.client().refusal(request, reply);
  return reply;
}

/// The token and a broker password of each device that got a token: `ID.token`, `ID.password`, and the line of the
/// broker's file. Tokens are not shown a second time: what can't be kept is named.
std::size_t keep_credentials(const fs::path& folder, const Json& lines) {
  std::string passwords;
  std::string lost;
  std::size_t kept = 0;
  for (const auto& line : lines) {
    if (!at(line, "/token").is_string()) continue;
    const auto id = at(line, "/device_id").get<std::string>();
    const auto password = credentials::new_password();
    const auto token = at(line, "/token").get<std::string>();
    if (write_durably(folder / (id + ".token"), token + "\n", 0600) &&
        write_durably(folder / (id + ".password"), password + "\n", 0600)) {
      passwords += credentials::mosquitto_line(id, password) + "\n";
      ++kept;
    } else {
      lost += " " + printable(id);
    }
  }
  // Those of an earlier import stay.
  const auto before = read_file(folder / kPasswords, std::size_t{256} << 20);
  auto written = write_durably(folder / kPasswords, (before ? *before : "") + passwords, 0600);
  if (!lost.empty() || !written)
    throw Failure(kRefused,
                  fmt::format("the devices are imported, but {} can't take all credentials; issue new tokens with "
                              "otactl device token for:{}",
                              printable(folder.string()), lost.empty() ? " all devices of the file" : lost));
  return kept;
}

std::string summary(const Call& call, const Json& json) {
  std::string text;
  std::size_t shown = 0;
  for (const auto& line : at(json, "/lines")) {
    if (text_at(line, "/result") != "refused" || ++shown > kMostLinesShown) continue;
    text += fmt::format("  line {:<6} {}: {}\n", number_at(line, "/line"), text_at(line, "/device_id"),
                        text_at(line, "/reason"));
  }
  if (shown > kMostLinesShown) text += fmt::format("  and {} more\n", shown - kMostLinesShown);
  const auto count = [&](const char* pointer) { return as_number(at(json, pointer), call.now()); };
  return fmt::format("{} new, {} changed, {} unchanged, {} refused\n", count("/new"), count("/changed"),
                     count("/unchanged"), count("/refused")) +
         text;
}

int import_devices(Call& call) {
  const fs::path file = call.argument("FILE");
  auto text = read_file(file, kLargestImport);
  if (!text) throw Failure(kUsage, text.error().message);
  const auto folder = call.text("credentials");
  const bool dry = call.has("dry-run");
  if (folder && !dry) prepare(*folder);
  const auto reply = import(call, std::move(*text), folder.has_value() && !dry);
  const auto json = reply.json();
  const bool applied = at(json, "/applied") == true;
  auto told = summary(call, json);
  if (folder && applied) {
    const auto kept = keep_credentials(*folder, at(json, "/lines"));
    told += fmt::format("{} tokens and broker passwords are in {}; add {} to the broker's password file\n", kept,
                        printable(*folder), kPasswords);
  }
  if (!applied && !dry) told += "Nothing was changed: correct these lines, or leave them out with --skip-bad\n";
  if (dry) told += "Nothing was changed (--dry-run)\n";
  answer(call, reply, told);
  return applied || (dry && number_at(json, "/refused") == 0) ? kDone : kRefused;
}

}  // namespace

Verb import_verb() {
  return {"import",
          "Register and change devices from a CSV or NDJSON file: id, hardware, channel, tag.KEY",
          {argument("FILE", "CSV with a header; .ndjson and .jsonl: an object on each line", Completes::file),
           flag("dry-run", "Only print what would become of each line"),
           flag("skip-bad", "Leave out lines that are refused"),
           option("credentials", "FOLDER",
                  "Issue a token to each device that has none, and write it to ID.token and a broker password to "
                  "ID.password in this folder, and lines for Mosquitto's password file to mosquitto.passwd",
                  Completes::file)},
          import_devices};
}

}  // namespace ota::otactl
