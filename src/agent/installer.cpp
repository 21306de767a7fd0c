#include "agent/installer.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

extern char** environ;

namespace ota::agent {
namespace {

constexpr auto kKeyId = "vendor";
constexpr std::chrono::milliseconds kLookEvery{20};
constexpr std::chrono::seconds kKillAfter{5};

std::vector<std::string> with_environment(std::vector<std::string> more) {
  for (char** variable = environ; *variable != nullptr; ++variable) more.emplace_back(*variable);
  return more;
}

std::vector<char*> pointers(std::vector<std::string>& list) {
  std::vector<char*> result;
  for (auto& item : list) result.push_back(item.data());
  result.push_back(nullptr);
  return result;
}

// A program gets the path as its argument; anything else is a line for the shell, where the path is $1.
std::vector<std::string> arguments(const std::string& command, const std::string& image) {
  if (access(command.c_str(), X_OK) == 0) return {command, image};
  return {"/bin/sh", "-c", command, "ota-install", image};
}

// Nothing on failure. In its own process group, so that all that it starts can be ended.
std::optional<pid_t> start(const std::string& command, const std::filesystem::path& image,
                           std::vector<std::string> variables) {
  auto words = arguments(command, image.string());
  auto environment = with_environment(std::move(variables));
  auto argv = pointers(words);
  auto envp = pointers(environment);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &pipe);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  int rc = posix_spawn(&pid, words[0].c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return rc == 0 ? std::optional(pid) : std::nullopt;
}

std::string describe(int status) {
  if (WIFEXITED(status)) return fmt::format("the install command ended with status {}", WEXITSTATUS(status));
  return fmt::format("the install command was ended by signal {}", WTERMSIG(status));
}

}  // namespace

Result<void> may_install(const Task& task, const std::string& hardware, const firmware::TrustedKeys* trusted) {
  if (!task.hardware.empty() && !hardware.empty() && task.hardware != hardware) {
    return fail(Errc::wrong_hardware, fmt::format("firmware for {} on a {}", task.hardware, hardware));
  }
  if (trusted == nullptr) return {};
  Firmware firmware;
  firmware.version = task.version;
  firmware.hardware = task.hardware;
  firmware.size = task.grid.size;
  firmware.checksum = task.checksum;
  firmware.signature = task.signature;
  if (firmware.signature) firmware.signature->key_id = kKeyId;
  return trusted->verify(firmware);
}

Result<firmware::TrustedKeys> load_trusted_key(const std::string& pem_file, const std::filesystem::path& state_dir) {
  auto folder = state_dir / "trusted";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  auto copy = folder / (std::string(kKeyId) + ".pem");
  std::filesystem::copy_file(pem_file, copy, std::filesystem::copy_options::overwrite_existing, error);
  if (error)
    return fail(Errc::server_fault, fmt::format("cannot copy {} to {}: {}", pem_file, copy.string(), error.message()));
  return firmware::TrustedKeys::load(folder);
}

Result<void> run_install(const Options& options, const std::string& device, const Task& task,
                         const std::filesystem::path& image, const std::atomic<bool>& interrupted) {
  if (options.install_command.empty()) return {};
  auto pid = start(options.install_command, image,
                   {"OTA_IMAGE=" + image.string(), "OTA_VERSION=" + task.version, "OTA_DEVICE=" + device,
                    "OTA_HARDWARE=" + task.hardware});
  if (!pid) return fail(Errc::server_fault, "cannot start the install command " + options.install_command);
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(options.install_timeout_s);
  bool told = false;
  for (int status = 0;;) {
    if (waitpid(*pid, &status, WNOHANG) == *pid) {
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !told) return {};
      return fail(Errc::server_fault,
                  told ? "the install command took too long, or was interrupted" : describe(status));
    }
    auto now = std::chrono::steady_clock::now();
    if (!told && (interrupted || now > until)) {
      ::kill(-*pid, SIGTERM);
      told = true;
      until = now + kKillAfter;
    } else if (told && now > until) {
      ::kill(-*pid, SIGKILL);
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

}  // namespace ota::agent
