// Options from the command line and the options file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ota/base/result.hpp"

namespace ota::agent {

enum class ReportStyle { automatic, json, bar, plain };

struct Options {
  std::string id;
  int count = 1;  ///< > 1: a fleet, ids `<id>-001`, …
  std::string broker = "tcp://127.0.0.1:1883";
  std::string username;
  std::string password_file;
  std::string ca_file, cert_file, key_file;
  std::string http_ca_file;  ///< empty: `ca_file`
  std::string gateway;       ///< `http://gw:8080`; empty: the one that the server names
  std::string topic_root = "/ota";
  std::string state_dir = "/var/lib/ota-agent";
  std::string current_version, hardware, want_version;
  std::string version_command, version_file;  ///< at most one: source of the running version
  std::string token_file;
  std::optional<std::uint32_t> max_chunk_bytes;
  std::optional<std::uint32_t> max_message_bytes;
  std::string timezone;  ///< empty: that of the system
  std::string channel;
  std::string may_install;  ///< command that is asked before an install; empty: nothing is asked
  std::string install_command;
  int install_timeout_s = 3600;
  int reboot_status = 10;  ///< of the install command: installed, reboot required
  std::string reboot_command;
  std::string health_command;
  int health_timeout_s = 60;
  std::vector<std::string> trusted_keys;  ///< PEM files, or folders of them
  bool allow_downgrade = false;
  bool once = false;
  std::uint64_t rate = 0;  ///< bytes per second for each device; 0: no limit
  int poll_s = 240;        ///< interval of requests of an idle device
  int workers = 8;
  ReportStyle report = ReportStyle::automatic;

  // Read from the files above.
  std::string password;
  std::string token;                          ///< of every device that `tokens` does not name
  std::map<std::string, std::string> tokens;  ///< by device id
};

/// Options from the command line, which goes before the file of `--config` (TOML: options by their long names, with `_`
/// for `-`; unknown ones are refused by name). Or the exit status where there is nothing to run: 0 after --help and
/// --version; 2, said on standard error, after bad arguments, a bad file, or a secret's file that others may read.
std::variant<Options, int> parse_options(int argc, char** argv);

/// The ids of the devices to be: `id`, or `id-001` to `id-<count>`.
std::vector<std::string> device_ids(const Options& options);

}  // namespace ota::agent
