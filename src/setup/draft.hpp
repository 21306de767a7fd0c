// The files of a plan while it is made.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ota/setup/plan.hpp"
#include "setup/files.hpp"

namespace ota::setup {

/// Ends the making of a plan; plan_…() answer its error.
struct Refused {
  Error error;
};
[[noreturn]] void refuse(Errc code, std::string message);

class Draft {
 public:
  /// Refused if the machine has no users otad and mosquitto.
  explicit Draft(const Machine& machine);

  const Machine& machine() const { return machine_; }
  const Owner& daemon() const { return daemon_; }
  const Owner& broker() const { return broker_; }

  /// What the file holds, or nothing where there is none. Refused if it can't be read.
  std::optional<std::string> content(const std::string& path) const;
  /// `file` goes into the plan if it isn't so already.
  void want(File file);

  Plan plan;

 private:
  const Machine& machine_;
  Owner daemon_;
  Owner broker_;
};

/// By whom and where certificates are kept.
void add_authority(Draft& draft);
void add_server_certificate(Draft& draft);
/// Mosquitto's configuration, access list and passwords. `password`: of otad.
void add_broker(Draft& draft, const Settings& settings, const std::string& password);
/// The settings of otad, and its password for the broker, which is the result.
void add_settings(Draft& draft, const Settings& settings);
std::string add_password(Draft& draft);

}  // namespace ota::setup
