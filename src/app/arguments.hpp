// The daemon's command line (docs/operating.md).
#pragma once

#include <cstdint>
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
  restore,
  firmware_orphans,
  firmware_adopt,
  firmware_purge,
  simulate,
  setup,
  devices_import
};

struct Arguments {
  Action action = Action::run;
  std::string config;               ///< empty: defaults and the environment alone
  std::string name;                 ///< of a key
  std::string role;                 ///< viewer, operator or admin
  std::string file;                 ///< of a backup
  bool without_images = false;
  bool only_check = false;          ///< the backup
  std::vector<std::string> images;  ///< names of orphans
  std::string version;              ///< of the firmware that an orphan becomes
  std::string hardware;
  bool security = false;
  std::string root = "/";  ///< of setup and devices: the folder below which all files are
  std::string answers;     ///< a file
  bool non_interactive = false;
  bool dry_run = false;
  bool undo = false;
  bool renew = false;
  std::string credentials;  ///< a folder
  std::string fleet;    ///< files of a simulation
  std::string rollout;
  std::int64_t runs = 300;
  std::uint64_t seed = 1;
  bool json = false;
};

/// Exit statuses (docs/operating.md, Settings).
inline constexpr int kStopped = 0;
inline constexpr int kFault = 1;
inline constexpr int kBadSettings = 2;

/// The parsed arguments; or the exit status if nothing is left to do (--help, --version, invalid arguments, all of
/// which are already printed).
struct Parsed {
  std::optional<Arguments> arguments;
  int status = kStopped;
};
Parsed parse_arguments(int argc, char** argv);

}  // namespace ota::app
