// A machine in a folder: Debian's files of otad and Mosquitto as they are after their installation.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "ota/setup/machine.hpp"
#include "ota/setup/plan.hpp"
#include "unit/base/temp_dir.hpp"

namespace ota::setup {

class MachineDouble {
 public:
  MachineDouble() {
    machine.root = folder_.path();
    machine.host = "gw.example";
    machine.addresses = {"192.0.2.10"};
    machine.now = *parse_rfc3339("2026-11-27T12:00:00Z");
    std::string users;
    for (const auto* name : {"otad", "mosquitto", "me"})
      users += fmt::format("{}:x:{}:{}::/home/{}:/bin/sh\n", name, ::geteuid(), ::getegid(), name);
    write("/etc/passwd", users);
    write("/etc/mosquitto/mosquitto.conf", "persistence true\ninclude_dir /etc/mosquitto/conf.d\n");
    write(kSettingsFile, "# ours\n[http]\nlisten = \"0.0.0.0:8080\"\n");
    for (const auto* name : {"/etc/mosquitto/certs", "/etc/mosquitto/ca_certificates", "/etc/mosquitto/conf.d",
                             "/var/lib/otad", "/home/me"})
      std::filesystem::create_directories(machine.at(name));
  }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(machine.at(path).parent_path());
    std::ofstream(machine.at(path), std::ios::binary) << text;
  }
  std::string read(const std::string& path) const { return content_of(machine.at(path).string()); }

  /// Each file and folder with its mode, and a file's content.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(machine.root)) {
      const auto mode = static_cast<unsigned>(entry.status().permissions());
      all[entry.path().string()] = fmt::format("{:o} {}", mode, entry.is_directory() ? "" : content_of(entry.path().string()));
    }
    return all;
  }

  Machine machine;

 private:
  TempDir folder_;
};

}  // namespace ota::setup
