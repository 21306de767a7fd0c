#include "agent/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "agent/messages.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/version.hpp"

namespace ota::agent {
namespace {

constexpr auto kAbout =
    "ota-agent: a device's end of over-the-air updates. Asks the server for its update, fetches it in chunks, checks "
    "every byte, has it verified, and hands it to the install command. Speaks MQTT, and HTTP while the broker is out "
    "of "
    "reach; chunks come over HTTP or MQTT, in the order that the server names, past a way that is dead. Goes on where "
    "it "
    "was after being killed at any moment.";
constexpr auto kFooter =
    "Exit status: 0 stopped as told (with --once: updated, or up to date), 1 a fault, 2 bad arguments; with --once "
    "also 3 "
    "the update failed or was cancelled, 4 the server refused this device.\n\n"
    "The install command gets the image's path as $1, and OTA_IMAGE, OTA_VERSION and OTA_DEVICE in its environment; it "
    "may "
    "be a program or a line for the shell. Without one, the image is kept as STATE/ID/image-VERSION.\n\n"
    "Example:\n  ota-agent --id gw-17 --broker tcp://gw:1883 --state-dir /var/lib/ota-agent --hardware gw-a \\\n"
    "            --current-version 1.3.2 --install /usr/lib/ota-agent/install";

void add_identity(CLI::App& app, Options& options) {
  app.add_option("--id", options.id, "This device's id: 1 to 128 of A-Z a-z 0-9 _ . : @ -")->required();
  app.add_option("--state-dir", options.state_dir, "Where chunks, images and the installed version are kept")
      ->required();
  app.add_option("--current-version", options.current_version, "What runs now, until an install is recorded");
  app.add_option("--hardware", options.hardware, "This device's kind of hardware");
  app.add_option("--want-version", options.want_version, "Ask for this version instead of whatever waits");
  app.add_option("--token-file", options.token_file,
                 "The device's secret in the first line; for a fleet, lines of ID and secret");
  app.add_option("--count", options.count, "A small fleet in one process: ID-001, ID-002, …")
      ->check(CLI::Range(1, 999));
}

void add_connection(CLI::App& app, Options& options) {
  app.add_option("--broker", options.broker, "tcp://HOST:PORT, or ssl://HOST:PORT for TLS")->capture_default_str();
  app.add_option("--user", options.username, "User name for the broker");
  app.add_option("--password-file", options.password_file, "Its password, in the first line");
  app.add_option("--gateway", options.gateway,
                 "http://HOST:PORT or https://…: where messages go while the broker can't be reached");
  app.add_option("--ca", options.ca_file, "CA certificates (PEM) that the broker's is checked against");
  app.add_option("--cert", options.cert_file, "This device's certificate (PEM), for the broker and https://");
  app.add_option("--key", options.key_file, "Its private key (PEM)");
  app.add_option("--http-ca", options.http_ca_file, "CA certificates for https://, if other than --ca");
  app.add_option("--topic-root", options.topic_root, "Where the server's topics begin")->capture_default_str();
  app.add_option("--poll", options.poll_s, "Seconds between questions of an idle device")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
}

void add_update(CLI::App& app, Options& options) {
  app.add_option("--max-chunk-bytes", options.max_chunk_bytes, "The largest chunk that this device can take")
      ->check(CLI::Range(kMinChunkBytes, kMaxChunkBytes));
  app.add_option("--install", options.install_command, "Command that installs the image; exit status 0 is success");
  app.add_option("--install-timeout", options.install_timeout_s, "Seconds after which it is ended and has failed")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--trusted-key", options.trusted_key_file,
                 "Ed25519 public key (PEM): install only what it has signed");
  app.add_option("--rate", options.rate, "At most so many bytes a second for each device (0: no bound)");
  app.add_option("--workers", options.workers, "Threads that download, shared by the fleet")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
}

void add_output(CLI::App& app, Options& options) {
  app.add_flag("--once", options.once, "End after one update, or at once where there is none");
  std::map<std::string, ReportStyle> styles{
      {"json", ReportStyle::json}, {"bar", ReportStyle::bar}, {"plain", ReportStyle::plain}};
  app.add_option(
         "--report", options.report,
         "json (an object an event on standard output), bar, or plain (lines on standard error); by default bar on a "
         "terminal, else plain")
      ->transform(CLI::CheckedTransformer(styles, CLI::ignore_case).description(""));
}

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) throw CLI::ValidationError("cannot read a line from " + file);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

void read_tokens(Options& options) {
  std::ifstream in(options.token_file);
  if (!in) throw CLI::ValidationError("cannot read " + options.token_file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string id, token;
    words >> id >> token;
    if (!token.empty()) {
      options.tokens[id] = token;
    } else if (options.token.empty()) {
      options.token = id;
    }
  }
}

void check(const Options& options) {
  for (const auto& id : {device_ids(options).front(), device_ids(options).back()}) {
    if (!DeviceId::parse(id)) throw CLI::ValidationError("--id: '" + id + "' is no device id");
  }
  for (const auto& version : {options.current_version, options.want_version}) {
    if (!version.empty() && !valid_version(version)) throw CLI::ValidationError("'" + version + "' is no version");
  }
  if (!options.gateway.empty() && (origin_of(options.gateway) + "/").find(options.gateway) != 0)
    throw CLI::ValidationError("--gateway: '" + options.gateway + "' is not like http://HOST:PORT");
  if (!valid_hardware(options.hardware)) throw CLI::ValidationError("--hardware: not 1 to 64 of A-Z a-z 0-9 _ . : @ -");
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout);
  app.footer(kFooter);
  app.set_version_flag("--version", OTAD_VERSION);
  app.get_formatter()->column_width(34);
  add_identity(app, options);
  add_connection(app, options);
  add_update(app, options);
  add_output(app, options);
  try {
    app.parse(argc, argv);
    if (!options.password_file.empty()) options.password = first_line(options.password_file);
    if (!options.token_file.empty()) read_tokens(options);
    if (options.gateway.ends_with('/')) options.gateway.pop_back();
    if (options.http_ca_file.empty()) options.http_ca_file = options.ca_file;
    check(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return options;
}

std::vector<std::string> device_ids(const Options& options) {
  if (options.count == 1) return {options.id};
  std::vector<std::string> ids;
  for (int i = 1; i <= options.count; ++i) ids.push_back(fmt::format("{}-{:03}", options.id, i));
  return ids;
}

}  // namespace ota::agent
