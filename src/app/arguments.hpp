// The daemon's command line (api.md, Daemon).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ota::app {

enum class Action {
  run,
  check_config,
  print_config,
  keys_add,
  keys_list,
  keys_remove,
  backup,
  firmware_orphans,
  firmware_adopt,
  firmware_purge
};

struct Arguments {
  Action action = Action::run;
  std::string config;               ///< empty: defaults and the environment alone
  std::string name;                 ///< of a key
  std::string role;                 ///< viewer, operator or admin
  std::string file;                 ///< of a backup
  std::vector<std::string> images;  ///< names of orphans
  std::string version;              ///< of the firmware that an orphan becomes
  std::string hardware;
  bool security = false;
};

/// Exit statuses (api.md, Daemon).
inline constexpr int kStopped = 0;
inline constexpr int kFault = 1;
inline constexpr int kBadSettings = 2;

/// What was asked for; or, where there is nothing more to do (--help, --version, wrong arguments: said already), the
/// exit status.
struct Parsed {
  std::optional<Arguments> arguments;
  int status = kStopped;
};
Parsed parse_arguments(int argc, char** argv);

}  // namespace ota::app
