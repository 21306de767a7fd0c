// otad devices import: what otactl's import does over REST, and what only this machine can: the broker's passwords and
// certificates by the authority of otad setup.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "app/commands.hpp"
#include "app/services.hpp"
#include "ota/base/file.hpp"
#include "ota/credentials/certificates.hpp"
#include "ota/setup/journal.hpp"
#include "ota/setup/plan.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;
using setup::Machine;

constexpr std::size_t kLargestPasswords = std::size_t{256} << 20;
constexpr std::size_t kLargestPem = 1 << 16;
constexpr std::chrono::days kDeviceLength{3650};  ///< devices don't renew theirs

/// By the otactl of the user who calls.
Result<int> import_by_otactl(const Machine& machine, const Arguments& arguments) {
  std::vector<std::string> environment;
  const char* sudo = std::getenv("SUDO_USER");
  if (sudo && *sudo && ::geteuid() == 0) {
    const auto user = setup::find_user(machine, sudo);
    if (!user) return user.error();
    environment = {"HOME=" + machine.at(user->home).string(), "XDG_CONFIG_HOME"};
  }
  return run_program({sibling("otactl"),
                      {"device", "import", arguments.file, "--credentials", arguments.credentials},
                      std::move(environment)});
}

Result<void> add_passwords(const Machine& machine, const fs::path& folder) {
  const auto text = read_file(folder / "mosquitto.passwd", kLargestPasswords);
  if (!text) return text.error();
  std::vector<std::string> lines;
  std::istringstream all(*text);
  for (std::string line; std::getline(all, line);)
    if (!line.empty()) lines.push_back(std::move(line));
  const auto plan = setup::plan_passwords(machine, lines);
  if (!plan) return plan.error();
  if (plan->changes.empty()) return {};
  if (auto applied = setup::apply(machine, *plan, nullptr, [](const std::string&) {}); !applied) return applied;
  return change_services(machine, Service::reload, true, false);
}

/// The key first, so that a certificate without one is never taken for finished.
Result<void> certify(const credentials::Pair& authority, const fs::path& folder, const std::string& id, WallTime now) {
  const auto key = credentials::new_key();
  const auto certificate = credentials::issue(authority, key, {id, {}}, credentials::Purpose::client, now, kDeviceLength);
  if (!certificate) return certificate.error();
  if (auto written = write_durably(folder / (id + ".key"), key, 0600); !written) return written;
  return write_durably(folder / (id + ".crt"), *certificate, 0644);
}

/// For each device of the folder that has none; how many.
Result<std::size_t> add_certificates(const Machine& machine, const fs::path& folder) {
  const auto certificate = read_file(machine.at(setup::kAuthority), kLargestPem);
  if (!certificate) return certificate.error();
  const auto key = read_file(machine.at(setup::kAuthorityKey), kLargestPem);
  if (!key) return key.error();
  if (auto written = write_durably(folder / "ca.crt", *certificate, 0644); !written) return written.error();
  std::size_t made = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto id = entry.path().stem().string();
    if (entry.path().extension() != ".token" || fs::exists(folder / (id + ".crt"), error)) continue;
    if (auto done = certify({*key, *certificate}, folder, id, machine.now); !done) return done.error();
    ++made;
  }
  if (error) return fail(Errc::server_fault, fmt::format("can't read {}: {}", folder.string(), error.message()));
  return made;
}

}  // namespace

int import_devices(const Arguments& arguments) {
  std::error_code error;
  const auto machine = setup::this_machine(fs::absolute(arguments.root, error).lexically_normal());
  if (arguments.root == "/" && ::geteuid() != 0)
    return complain("the broker's passwords and the authority's key are root's: run sudo otad devices import", kBadSettings);
  // Before tokens are issued that nobody could use.
  if (const auto ready = setup::plan_passwords(machine, {}); !ready) return complain(ready.error().message);
  const auto imported = import_by_otactl(machine, arguments);
  if (!imported) return complain(imported.error().message);
  if (*imported != 0) return *imported;
  if (auto added = add_passwords(machine, arguments.credentials); !added)
    return complain(fmt::format("the devices are imported, but not known to the broker: {}; import the file again",
                                added.error().message));
  const auto made = add_certificates(machine, arguments.credentials);
  if (!made)
    return complain(fmt::format("the devices are imported, but have no certificates: {}; import the file again",
                                made.error().message));
  std::cout << fmt::format("the broker knows the passwords; {} certificates are in {}, with ca.crt of this server\n", *made,
                           arguments.credentials);
  return kStopped;
}

}  // namespace ota::app
