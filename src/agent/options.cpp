#include "agent/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "agent/options_file.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/version.hpp"

namespace ota::agent {
namespace {

constexpr auto kDefaultConfig = "/etc/ota-agent.toml";
constexpr std::uint32_t kMaxMessageBytes = 4u << 20;
constexpr auto kAbout =
    "ota-agent: a device's end of over-the-air updates. Asks the server for its update, fetches it in chunks, checks "
    "every byte, has it verified, hands it to the install command, and reports what the device runs afterwards. Speaks "
    "MQTT, and HTTP while the broker is out of reach; chunks come over HTTP or MQTT, in the order that the server "
    "names, "
    "past a transport that is dead. Goes on where it was after being killed at any moment.";
constexpr auto kFooter =
    "Every option can stand in the file of --config as well, as in install_timeout = 600; the command line goes before "
    "it.\n\n"
    "The install command gets the image's path as $1, and OTA_IMAGE, OTA_VERSION, OTA_DEVICE, OTA_HARDWARE and "
    "OTA_REBOOT_STATUS in its environment; it may be a program or a line for the shell. Its exit status is 0: "
    "installed; "
    "that of --reboot-status: installed, and the device has to be restarted; any other: failed. Without one, the image "
    "is "
    "kept as STATE/ID/image-VERSION.\n\n"
    "Exit status: 0 stopped as told (with --once: updated, or up to date), 1 a fault, 2 bad arguments, settings or "
    "state folder; with --once also 3 the update failed or was cancelled, 4 the server refused this device, 5 "
    "installed "
    "and waiting for the restart.\n\n"
    "Example:\n  ota-agent --id gw-17 --broker tcp://gw:1883 --hardware gw-a --version-file /etc/firmware-version \\\n"
    "            --install /usr/share/otad/agent/install-rauc --reboot-command 'systemctl reboot'";

// A number from `least` to `most`, or 0 for none.
CLI::Validator none_or(std::uint32_t least, std::uint32_t most) {
  return {[least, most](std::string& text) {
            std::uint32_t number = 0;
            if (CLI::detail::lexical_cast(text, number) && (number == 0 || (least <= number && number <= most)))
              return std::string();
            return fmt::format("Value {} not 0, or in range {} to {}", text, least, most);
          },
          fmt::format("UINT:0 or [{} - {}]", least, most)};
}

void add_identity(CLI::App& app, Options& options) {
  app.add_option("--id", options.id, "This device's id: 1 to 128 of A-Z a-z 0-9 _ . : @ -");
  app.add_option("--state-dir", options.state_dir,
                 "Where chunks, images and what ran are kept: the agent's own folder, on a file system that all slots "
                 "share")
      ->capture_default_str();
  app.add_option("--hardware", options.hardware, "This device's kind of hardware");
  app.add_option("--version-command", options.version_command,
                 "Prints the version that runs; asked at each start and before each request");
  app.add_option("--version-file", options.version_file, "In place of that, a file whose first line it is");
  app.add_option(
      "--current-version", options.current_version,
      "What runs, where neither of these says it; an install that ends with status 0 then counts as running");
  app.add_option("--want-version", options.want_version, "Ask for this version instead of whatever waits");
  app.add_option("--token-file", options.token_file,
                 "The device's secret in the first line; for a fleet, lines of ID and secret");
  app.add_option("--count", options.count, "A small fleet in one process: ID-001, ID-002, …")
      ->check(CLI::Range(1, 999))
      ->capture_default_str();
}

void add_connection(CLI::App& app, Options& options) {
  app.add_option("--broker", options.broker, "tcp://HOST:PORT, or ssl://HOST:PORT for TLS")->capture_default_str();
  app.add_option("--user", options.username, "User name for the broker");
  app.add_option("--password-file", options.password_file, "Its password, in the first line");
  app.add_option(
      "--gateway", options.gateway,
      "http://HOST:PORT or https://…: where messages go while the broker can't be reached. Without it, where "
      "chunks come from; with a token only over https and on the broker's host");
  app.add_option("--ca", options.ca_file, "CA certificates (PEM) that the broker's is checked against");
  app.add_option("--cert", options.cert_file, "This device's certificate (PEM), for the broker and https://");
  app.add_option("--key", options.key_file, "Its private key (PEM)");
  app.add_option("--http-ca", options.http_ca_file, "CA certificates for https://, if other than --ca");
  app.add_option("--topic-root", options.topic_root, "Where the server's topics begin")->capture_default_str();
  app.add_option("--poll", options.poll_s, "Seconds between questions of an idle device")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
}

void add_download(CLI::App& app, Options& options) {
  app.add_option("--max-chunk-bytes", options.max_chunk_bytes, "The largest chunk that this device can take (0: any)")
      ->check(none_or(kMinChunkBytes, kMaxChunkBytes));
  app.add_option("--max-message-bytes", options.max_message_bytes,
                 "The longest message that this device can take (0: any)")
      ->check(none_or(kMinMessageBytes, kMaxMessageBytes));
  app.add_option("--rate", options.rate, "At most so many bytes a second for each device (0: no bound)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--workers", options.workers, "Threads that download, shared by the fleet")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
}

void add_install(CLI::App& app, Options& options) {
  app.add_option("--install", options.install_command, "Command that installs the image");
  app.add_option("--install-timeout", options.install_timeout_s, "Seconds after which it is ended and has failed")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option(
         "--reboot-status", options.reboot_status,
         "Its exit status that means: installed, and the device has to be restarted. The next start of the agent "
         "is taken for that; what runs then decides between installed and rolled_back")
      ->check(CLI::Range(0, 255))
      ->capture_default_str();
  app.add_option("--reboot-command", options.reboot_command,
                 "Run once that was reported; without one, something else restarts the device");
  app.add_option("--health-command", options.health_command,
                 "Has to succeed before the new version is reported as installed; run again each second until it does");
  app.add_option("--health-timeout", options.health_timeout_s, "Seconds after which the update has failed without that")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--trusted-key", options.trusted_keys,
                 "Ed25519 public key (PEM), or a folder of *.pem: install only what one of them has signed. May be "
                 "repeated. The one named like the signature's key_id decides, or where none is, any of them")
      ->allow_extra_args(false);
  app.add_flag("--allow-downgrade", options.allow_downgrade,
               "Take versions below the highest that ran, without a permission signed by the vendor");
}

void add_output(CLI::App& app, Options& options) {
  app.add_flag("--once", options.once, "End after one update, or at once where there is none");
  std::map<std::string, ReportStyle> styles{{"auto", ReportStyle::automatic},
                                            {"json", ReportStyle::json},
                                            {"bar", ReportStyle::bar},
                                            {"plain", ReportStyle::plain}};
  app.add_option(
         "--report", options.report,
         "json (an object an event on standard output), bar, plain (lines on standard error), or auto: bar on a "
         "terminal, else plain")
      ->transform(CLI::CheckedTransformer(styles, CLI::ignore_case).description(""));
}

void check_secret(const char* option, const std::string& file) {
  if (file.empty()) return;
  if (auto checked = check_private(option, file); !checked) throw CLI::ValidationError(checked.error().message);
}

// What others may change, they decide.
void check_unchanged(const char* option, const std::string& file) {
  if (auto checked = check_unchangeable(option, file); !checked) throw CLI::ValidationError(checked.error().message);
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
  if (options.id.empty()) throw CLI::ValidationError("--id: this device needs an id");
  for (const auto& id : {device_ids(options).front(), device_ids(options).back()}) {
    if (!DeviceId::parse(id)) throw CLI::ValidationError("--id: '" + id + "' is no device id");
  }
  if (options.state_dir.empty()) throw CLI::ValidationError("--state-dir: the agent needs a folder");
  for (const auto& version : {options.current_version, options.want_version}) {
    if (!version.empty() && !valid_version(version)) throw CLI::ValidationError("'" + version + "' is no version");
  }
  if (!options.version_command.empty() && !options.version_file.empty())
    throw CLI::ValidationError("--version-command and --version-file exclude each other");
  if (!options.gateway.empty() && (origin_of(options.gateway) + "/").find(options.gateway) != 0)
    throw CLI::ValidationError("--gateway: '" + options.gateway + "' is not like http://HOST:PORT");
  if (!valid_hardware(options.hardware)) throw CLI::ValidationError("--hardware: not 1 to 64 of A-Z a-z 0-9 _ . : @ -");
  if (!options.trusted_keys.empty() && options.hardware.empty())
    throw CLI::ValidationError("--trusted-key needs --hardware: else firmware signed for any other would be taken");
}

// What stands in files, and what an empty option means.
void complete(Options& options) {
  check_secret("--password-file", options.password_file);
  check_secret("--token-file", options.token_file);
  check_secret("--key", options.key_file);
  if (!options.password_file.empty()) options.password = first_line(options.password_file);
  if (!options.token_file.empty()) read_tokens(options);
  if (options.gateway.ends_with('/')) options.gateway.pop_back();
  if (options.http_ca_file.empty()) options.http_ca_file = options.ca_file;
  if (options.max_chunk_bytes == 0u) options.max_chunk_bytes.reset();
  if (options.max_message_bytes == 0u) options.max_message_bytes.reset();
  std::erase(options.trusted_keys, "");
  for (const auto& key : options.trusted_keys) check_unchanged("--trusted-key", key);
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout);
  app.footer(kFooter);
  app.set_version_flag("--version", "ota-agent " OTAD_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(34);
  const auto* config = app.set_config("--config", kDefaultConfig, "TOML with these options");
  app.config_formatter(std::make_shared<OptionsFile>(app));
  add_identity(app, options);
  add_connection(app, options);
  add_download(app, options);
  add_install(app, options);
  add_output(app, options);
  try {
    app.parse(argc, argv);
    // The default one needn't be there.
    if (config->count() > 0) check_unchanged("--config", config->as<std::string>());
    complete(options);
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
