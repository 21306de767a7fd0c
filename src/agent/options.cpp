#include "agent/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "agent/options_file.hpp"
#include "agent/unknown_options.hpp"
#include "ota/base/file.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/version.hpp"

namespace ota::agent {
namespace {

constexpr auto kDefaultConfig = "/etc/ota-agent.toml";
constexpr std::uint32_t kMaxMessageBytes = 4u << 20;
constexpr auto kAbout =
    "ota-agent: update client for a device. It requests an update from the server, downloads it in chunks, verifies "
    "it, runs the install command, and reports the version that the device runs afterwards. Messages go over MQTT, or "
    "over HTTP while the broker is unreachable. Chunks are downloaded over HTTP or MQTT in the server's order of "
    "preference; a transport that fails is skipped. After a restart at any point the agent resumes where it stopped.";
constexpr auto kFooter =
    "Every option can also be set in the --config file, e.g. install_timeout = 600. The command line overrides the "
    "file.\n\n"
    "The install command is a program or a shell command. It receives the path of the image as $1, and OTA_IMAGE, "
    "OTA_VERSION, OTA_DEVICE, OTA_HARDWARE and OTA_REBOOT_STATUS in its environment. Exit status 0: installed; the "
    "value of --reboot-status: installed, a reboot is required; any other: failed. Without an install command the "
    "image is kept as STATE/ID/image-VERSION.\n\n"
    "Exit status: 0 stopped on request (with --once: updated or up to date), 1 internal error, 2 invalid arguments, "
    "settings or state folder. With --once also: 3 the update failed or was cancelled, 4 the server refused this "
    "device, 5 installed, reboot required.\n\n"
    "Example:\n"
    "  ota-agent --id gw-17 --broker tcp://gw:1883 --hardware gw-a --version-file /etc/firmware-version \\\n"
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

// Reading anything else may never end.
CLI::Validator regular_file() {
  return {[](std::string& file) {
            return is_special(file) ? file + " is no regular file" : std::string();
          },
          ""};
}

void add_identity(CLI::App& app, Options& options) {
  app.add_option("--id", options.id, "This device's id: 1 to 128 of A-Z a-z 0-9 _ . : @ -");
  app.add_option("--state-dir", options.state_dir,
                 "Folder for chunks, images and state. Only the agent may write to it; on an A/B device it must be on "
                 "a file system that both slots share")
      ->capture_default_str();
  app.add_option("--hardware", options.hardware, "Hardware type of this device");
  app.add_option("--version-command", options.version_command,
                 "Command that prints the running version; run at each start and before each request");
  app.add_option("--version-file", options.version_file, "File whose first line is the running version");
  app.add_option(
      "--current-version", options.current_version,
      "Running version, if neither of these is given; after a successful install the agent assumes the new version");
  app.add_option("--want-version", options.want_version, "Request this version instead of any waiting update");
  app.add_option("--token-file", options.token_file,
                 "File with the device's token in the first line; for a fleet, lines of ID and token");
  app.add_option("--timezone", options.timezone,
                 "IANA name of this device's time zone, for maintenance windows in local time. Default: that of "
                 "/etc/localtime or /etc/timezone");
  app.add_option("--channel", options.channel,
                 "Channel that this device follows when the server first registers it: 1 to 64 of a-z 0-9 _ -");
  app.add_option("--count", options.count, "Number of devices that this process runs: ID-001, ID-002, …")
      ->check(CLI::Range(1, 999))
      ->capture_default_str();
}

void add_connection(CLI::App& app, Options& options) {
  app.add_option("--broker", options.broker, "tcp://HOST:PORT, or ssl://HOST:PORT for TLS")->capture_default_str();
  app.add_option("--user", options.username, "User name for the broker");
  app.add_option("--password-file", options.password_file, "File with the broker password in the first line");
  app.add_option(
      "--gateway", options.gateway,
      "http://HOST:PORT or https://…: server for messages while the broker is unreachable. Default: the host of the "
      "download URLs; with a token only if that is the broker's host and https");
  app.add_option("--ca", options.ca_file, "CA certificates (PEM) that the broker's certificate is verified with");
  app.add_option("--cert", options.cert_file, "Client certificate (PEM) of this device, for the broker and https://");
  app.add_option("--key", options.key_file, "Private key (PEM) of --cert");
  app.add_option("--http-ca", options.http_ca_file, "CA certificates (PEM) for https://, if different from --ca");
  app.add_option("--topic-root", options.topic_root, "Prefix of all topics, as on the server")->capture_default_str();
  app.add_option("--poll", options.poll_s, "Seconds between requests of an idle device")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
}

void add_download(CLI::App& app, Options& options) {
  app.add_option("--max-chunk-bytes", options.max_chunk_bytes,
                 "Largest chunk that this device accepts, in bytes (0: any)")
      ->check(none_or(kMinChunkBytes, kMaxChunkBytes));
  app.add_option("--max-message-bytes", options.max_message_bytes,
                 "Largest message that this device accepts, in bytes (0: any)")
      ->check(none_or(kMinMessageBytes, kMaxMessageBytes));
  app.add_option("--rate", options.rate, "Download limit for each device in bytes per second (0: no limit)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--workers", options.workers, "Number of download threads, shared by the fleet")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
}

void add_install(CLI::App& app, Options& options) {
  app.add_option("--may-install", options.may_install,
                 "Command that is asked before an update is installed. Exit status 0: now. Any other: not now, until "
                 "the time in the last line of its output (RFC 3339, or a number of seconds), by default for an hour");
  app.add_option("--install", options.install_command, "Command that installs the image");
  app.add_option("--install-timeout", options.install_timeout_s,
                 "Seconds after which the install command is killed and the update fails")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option(
         "--reboot-status", options.reboot_status,
         "Exit status of the install command that means: installed, reboot required. At the agent's next start, the "
         "running version decides between installed and rolled_back")
      ->check(CLI::Range(0, 255))
      ->capture_default_str();
  app.add_option("--reboot-command", options.reboot_command,
                 "Command that reboots the device after that was reported; without it, something else must reboot the "
                 "device");
  app.add_option("--health-command", options.health_command,
                 "Command that must succeed before the new version is reported as installed; it is run every second "
                 "until it does");
  app.add_option("--health-timeout", options.health_timeout_s,
                 "Seconds after which the update fails if the health command hasn't succeeded")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--trusted-key", options.trusted_keys,
                 "Ed25519 public key (PEM file, or folder of *.pem): install only firmware signed by a trusted key. "
                 "May be repeated. The key whose file name is the signature's key_id is used, or any of them if there "
                 "is none")
      ->allow_extra_args(false);
  app.add_flag("--allow-downgrade", options.allow_downgrade,
               "Accept versions older than the highest that ran, without a permission signed by the vendor");
}

void add_output(CLI::App& app, Options& options) {
  app.add_flag("--once", options.once, "Exit after one update, or immediately if there is none");
  std::map<std::string, ReportStyle> styles{{"auto", ReportStyle::automatic},
                                            {"json", ReportStyle::json},
                                            {"bar", ReportStyle::bar},
                                            {"plain", ReportStyle::plain}};
  app.add_option(
         "--report", options.report,
         "json (one object per event on standard output), bar, plain (lines on standard error), or auto (bar on a "
         "terminal, otherwise plain)")
      ->transform(CLI::CheckedTransformer(styles, CLI::ignore_case).description(""));
}

void check_secret(const char* option, const std::string& file) {
  if (file.empty()) return;
  if (auto checked = check_private(option, file); !checked) throw CLI::ValidationError(checked.error().message);
}

void check_certificate(const char* option, const std::string& file) {
  if (auto checked = check_regular(option, file); !checked) throw CLI::ValidationError(checked.error().message);
}

// Others must not be able to change what the agent trusts.
void check_unchanged(const char* option, const std::string& file) {
  if (auto checked = check_unchangeable(option, file); !checked) throw CLI::ValidationError(checked.error().message);
}

std::string first_line(const std::string& file) {
  const auto text = read_small_file(file);
  if (!text) throw CLI::ValidationError(text.error().message);
  std::istringstream in(*text);
  std::string line;
  if (!std::getline(in, line)) throw CLI::ValidationError("cannot read a line from " + file);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

void read_tokens(Options& options) {
  const auto text = read_small_file(options.token_file);
  if (!text) throw CLI::ValidationError(text.error().message);
  std::istringstream in(*text);
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
  if (options.id.empty()) throw CLI::ValidationError("--id is required: the id of this device");
  for (const auto& id : {device_ids(options).front(), device_ids(options).back()}) {
    if (!DeviceId::parse(id)) throw CLI::ValidationError("--id: '" + id + "' is not a valid device id");
  }
  if (options.state_dir.empty()) throw CLI::ValidationError("--state-dir must not be empty");
  for (const auto& version : {options.current_version, options.want_version}) {
    if (!version.empty() && !valid_version(version)) throw CLI::ValidationError("'" + version +
                                                                                "' is not a valid version");
  }
  if (!options.version_command.empty() && !options.version_file.empty())
    throw CLI::ValidationError("--version-command and --version-file can't be used together");
  if (!options.gateway.empty() && (origin_of(options.gateway) + "/").find(options.gateway) != 0)
    throw CLI::ValidationError("--gateway: '" + options.gateway + "' must have the form http://HOST:PORT");
  if (!valid_hardware(options.hardware))
    throw CLI::ValidationError("--hardware must be 1 to 64 of A-Z a-z 0-9 _ . : @ -");
  if (!options.timezone.empty() && !fit_timezone(options.timezone))
    throw CLI::ValidationError("--timezone must be the IANA name of a time zone, such as Europe/Berlin");
  if (!options.channel.empty() && !valid_channel(options.channel))
    throw CLI::ValidationError("--channel must be 1 to 64 of a-z 0-9 _ -");
  if (!options.trusted_keys.empty() && options.hardware.empty())
    throw CLI::ValidationError("--trusted-key requires --hardware; otherwise firmware signed for other hardware would "
                               "be accepted");
}

// Reads the files that options name, and resolves empty options.
void complete(Options& options) {
  check_secret("--password-file", options.password_file);
  check_secret("--token-file", options.token_file);
  check_secret("--key", options.key_file);
  check_certificate("--ca", options.ca_file);
  check_certificate("--cert", options.cert_file);
  check_certificate("--http-ca", options.http_ca_file);
  if (!options.password_file.empty()) options.password = first_line(options.password_file);
  if (!options.token_file.empty()) read_tokens(options);
  if (options.gateway.ends_with('/')) options.gateway.pop_back();
  if (options.http_ca_file.empty()) options.http_ca_file = options.ca_file;
  if (options.max_chunk_bytes == 0u) options.max_chunk_bytes.reset();
  if (options.max_message_bytes == 0u) options.max_message_bytes.reset();
  for (const auto& key : options.trusted_keys) {
    if (key.empty())
      throw CLI::ValidationError("--trusted-key is empty: name a file, or leave it out to accept unsigned images");
    check_unchanged("--trusted-key", key);
  }
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout);
  app.footer(kFooter);
  app.set_version_flag("--version", "ota-agent " OTAD_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(34);
  auto* const config = app.set_config("--config", kDefaultConfig, "TOML file with these options");
  config->check(regular_file());
  app.config_formatter(std::make_shared<OptionsFile>(app));
  add_identity(app, options);
  add_connection(app, options);
  add_download(app, options);
  add_install(app, options);
  add_output(app, options);
  try {
    app.parse(argc, argv);
    // The default file is optional.
    if (config->count() > 0) check_unchanged("--config", config->as<std::string>());
    complete(options);
    check(options);
  } catch (const CLI::ExtrasError&) {  // not CLI11's own text, which names the arguments backwards
    print_unknown(app, std::cerr);
    return 2;
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
