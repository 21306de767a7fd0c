// What setup changes on a machine: computed from what is there, so that a second run changes only what differs.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"
#include "ota/setup/answers.hpp"
#include "ota/setup/machine.hpp"

namespace ota::setup {

/// Files of the machine.
inline constexpr const char* kSettingsFile = "/etc/otad/otad.toml";
inline constexpr const char* kAuthority = "/etc/otad/tls/ca.crt";
inline constexpr const char* kAuthorityKey = "/etc/otad/tls/ca.key";
inline constexpr const char* kPasswords = "/etc/mosquitto/otad.passwd";

/// A file as it shall be.
struct File {
  std::string path;  ///< as the machine calls it
  std::string content;
  mode_t mode = 0644;
  Owner owner;
  std::string about;    ///< shown instead of the content, which may be secret; empty: the content is shown
};

/// A file that isn't so yet.
struct Change {
  File file;
  std::string shown;  ///< for people: what changes, in lines
};

struct Plan {
  std::string name;                ///< by which devices call the machine
  std::vector<std::string> names;  ///< further ones
  std::vector<Change> changes;     ///< in the order in which they are made
  bool broker = false;             ///< Mosquitto reads one of the files
  bool daemon = false;             ///< otad does
  std::string operators_url;       ///< of REST, from this machine
};

/// Everything. Errors: the machine lacks a package or has settings that would be overruled.
Result<Plan> plan_setup(const Machine& machine, const Answers& answers);

/// The server certificate alone, if it ends soon; otherwise no changes. Errc::not_found if there was no setup.
Result<Plan> plan_renewal(const Machine& machine);

/// A line of Mosquitto's password file for each user of `lines`, the others as they are.
Result<Plan> plan_passwords(const Machine& machine, const std::vector<std::string>& lines);

/// The settings of the machine's file, without the environment; its paths are below the machine's root.
Result<Settings> settings_of(const Machine& machine);

}  // namespace ota::setup
