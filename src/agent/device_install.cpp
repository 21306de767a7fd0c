// The end of an update: from the server's success to what the device runs afterwards.
//
// The install command's exit status says how it goes on. 0: installed, and running already (where a version source says
// that the old version still runs, that was not true: `failed`). The reboot status: installed, `rebooting`; the next
// start of the agent is taken for the restart. After it the version source decides: the new version runs (`installed`,
// once the health command succeeded; `failed` where it didn't in time), or a newer one does (`superseded`: the device was
// updated in another way), or any other does (`rolled_back`). Any other status: `failed`. Without a version source, status
// 0 is all there is to go by, and after a restart --current-version.
#include <fmt/format.h>

#include <thread>

#include "agent/device.hpp"
#include "agent/files.hpp"
#include "agent/running_version.hpp"
#include "ota/base/clock.hpp"
#include "ota/domain/version.hpp"

namespace ota::agent {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr int kMaxTries = 3;                     // that something ended in their middle
constexpr milliseconds kRebootPatience{10'000};  // for the report to be delivered
constexpr milliseconds kRebootAgain{300'000};    // where the device still runs so long after its reboot command
constexpr milliseconds kLookAgain{5'000};
constexpr milliseconds kPause{1'000};
constexpr milliseconds kPauseStep{20};
constexpr std::size_t kMaxReason = 1024;  // bytes (docs/device-protocol.md, progress)

// Takes the part as the image of its version, once it is seen to be the one that was verified; what was kept under that
// version stays untouched until then. Where that was done before a crash, only checks. Errors as text.
Result<std::filesystem::path> take_image(StateDir& state, const Assignment& task) {
  const auto image = state.image(task.version);
  const auto part = state.part(task.checksum);
  std::error_code ignored;
  const bool fresh = std::filesystem::exists(part, ignored);
  const auto digest = file_digest(fresh ? part : image);
  if (!digest) return digest.error();
  if (*digest != task.checksum)
    return fail(Errc::checksum_differs, "the image on disk is not the one that was verified");
  if (!fresh) return image;
  if (auto renamed = rename_durably(part, image); !renamed) return renamed.error();
  std::filesystem::remove(ImageFile::digests_file(part), ignored);
  return image;
}

// Another one after each restart of the machine; random(4).
std::string boot_id() {
  auto id = read_small_file("/proc/sys/kernel/random/boot_id");
  return id ? std::move(*id) : std::string();
}

}  // namespace

bool Device::keep(std::string_view phase) {
  const auto kept = state_.keep_task(*task_, phase, confirm_, install_);
  if (!kept) tell("error", kept.error().message);
  return static_cast<bool>(kept);
}

// What runs, as far as anything says it, remembered for messages to come. Without a source, what the last install that
// ended well left, unless --current-version has changed since then: who changed it knows better.
Result<std::string> Device::look_what_runs() {
  const auto& options = shared_.options;
  if (has_version_source(options)) {
    auto runs = ask_version(options, id_, stopping_);
    who_.current_version = runs ? *runs : std::string();
    if (!runs) return runs;
  } else {
    const auto kept = state_.versions();
    const bool holds = !kept.current.empty() && (kept.given.empty() || kept.given == options.current_version);
    who_.current_version = holds ? kept.current : options.current_version;
  }
  // One that was installed and isn't confirmed may be gone after the next restart.
  if (!is_committed()) note_running(who_.current_version);
  return who_.current_version;
}

void Device::note_running(const std::string& version) {
  auto versions = state_.versions();
  if (!valid_version(version)) return;
  if (!same_version(version, versions.unwell)) versions.unwell.clear();
  if (versions.unwell.empty() && (versions.highest.empty() || compare_versions(version, versions.highest) > 0))
    versions.highest = version;
  if (versions != state_.versions()) keep_versions(versions);
}

void Device::keep_versions(const VersionRecord& versions) {
  if (auto kept = state_.set_versions(versions); !kept) tell("error", kept.error().message);
}

// To say in a request that a version runs is to confirm it. One that failed its health command after the install is not
// told until that succeeds.
void Device::check_unwell() {
  auto versions = state_.versions();
  if (versions.unwell.empty() || !same_version(who_.current_version, versions.unwell)) return;
  Assignment task;
  task.version = versions.unwell;
  task.hardware = who_.hardware;
  const auto health = run_health(shared_.options, id_, task, seconds(shared_.options.health_timeout_s), stopping_);
  if (health.succeeded()) {
    versions.unwell.clear();
    keep_versions(versions);
    return note_running(who_.current_version);
  }
  tell("error", fmt::format("{} runs, but {}", versions.unwell, explain("the health command", health)));
  who_.current_version.clear();
}

void Device::resume_install(const std::string& phase) {
  phase_ = Phase::installing;
  if (phase == "rebooting" || phase == "confirming") phase_ = Phase::confirming;
  after_restart_ = phase == "rebooting";
  if (phase == "reporting") phase_ = Phase::reporting;
  // Being stopped and started without a restart of the machine is no fault of the image's.
  if (!install_.stopped_in.empty() && install_.stopped_in == boot_id()) --install_.tries;
  install_.stopped_in.clear();
  const auto runs = look_what_runs();
  // An install command may restart the device itself, before it ends.
  const bool runs_new = runs && same_version(*runs, task_->version) && !same_version(*runs, install_.from_version);
  if (phase == "installing" && has_version_source(shared_.options) && runs_new) phase_ = Phase::confirming;
}

void Device::install() {
  image_.reset();
  if (auto allowed = may_install(*task_, policy(), SystemClock().wall()); !allowed)
    return conclude("failed", allowed.error().message);
  if (install_.tries >= kMaxTries) {
    return conclude("failed",
                    fmt::format("the install command was started {} times, and each time the device or the agent "
                                "stopped before it finished",
                                install_.tries));
  }
  auto image = take_image(state_, *task_);
  if (!image) return conclude("failed", image.error().message);
  send("progress", state_json(who_, task_->id, "installing", {}));
  if (shared_.options.install_command.empty()) {
    // Whoever takes the image from here will make it run.
    phase_ = has_version_source(shared_.options) ? Phase::rebooting : Phase::confirming;
    reboot_.arm(steady_clock::now());
    return;
  }
  ++install_.tries;
  if (!keep("installing")) return conclude("failed", "the state folder can't be written: nothing was installed");
  auto outcome = run_install(shared_.options, id_, *task_, *image, stopping_);
  if (outcome.kind == Outcome::Kind::interrupted) {  // it is begun anew after the next start
    install_.stopped_in = boot_id();
    keep("installing");
    return;
  }
  after_install(outcome);
}

void Device::after_install(const Outcome& outcome) {
  install_.output = last_words(outcome);
  const auto now = steady_clock::now();
  if (outcome.kind == Outcome::Kind::exited && outcome.status == shared_.options.reboot_status) {
    phase_ = Phase::rebooting;
    keep("rebooting");
    send("progress", state_json(who_, task_->id, "rebooting", {}));
    tell("rebooting");
    reboot_.arm(now);
    hold_until_ = now + kRebootPatience;
    return;
  }
  if (!outcome.succeeded()) {
    const auto how = describe("the install command", outcome);
    return conclude("failed", install_.output.empty() ? how : install_.output);
  }
  phase_ = Phase::confirming;
  if (has_version_source(shared_.options)) {
    const auto runs = look_what_runs();
    if (runs && superseded_by(*runs)) return;
    if (runs && !same_version(*runs, task_->version)) {
      return conclude("failed", fmt::format("the install command ended with status 0, but {} runs, not {}; if a reboot "
                                            "is required, it must exit with status {}",
                                            *runs, task_->version, shared_.options.reboot_status));
    }
  }
  keep("confirming");
}

// Until this process is ended. The reboot command runs once the report was delivered; without an install command the
// new version comes by somebody else's doing.
void Device::await_reboot(Time now) {
  if (!reboot_.due(now)) return;
  if (shared_.options.install_command.empty()) {
    const auto runs = look_what_runs();
    if (runs && same_version(*runs, task_->version)) phase_ = Phase::confirming;
    return reboot_.arm(now, kLookAgain);
  }
  if (!control_.delivered() && now < hold_until_) return reboot_.arm(now, kPauseStep);
  reboot_.arm(now, kRebootAgain);
  const auto outcome = run_reboot(shared_.options, id_, *task_, stopping_);
  if (!outcome.succeeded() && outcome.kind != Outcome::Kind::interrupted)
    tell("error", explain("the reboot command", outcome));
  finish(5);
}

// Asks what runs, and whether it is well, until both answers are good or the health timeout is over.
void Device::confirm() {
  const auto until = steady_clock::now() + seconds(shared_.options.health_timeout_s);
  for (;;) {
    // Without a version source and a reboot, only the install command's status is known.
    const bool asks = has_version_source(shared_.options) || after_restart_;
    const auto runs = asks ? look_what_runs() : Result<std::string>(task_->version);
    std::string why;
    if (!runs) {
      why = runs.error().message;
    } else if (runs->empty()) {
      return conclude("failed", "the version after the reboot is unknown: set --version-command or --version-file");
    } else if (superseded_by(*runs)) {
      return;
    } else if (!same_version(*runs, task_->version)) {
      const auto how = fmt::format("{} runs after the install, not {}", *runs, task_->version);
      return conclude("rolled_back", install_.output.empty() ? how : install_.output);
    } else {
      const auto left = std::chrono::ceil<seconds>(until - steady_clock::now());
      const auto health = run_health(shared_.options, id_, *task_, left, stopping_);
      if (health.succeeded()) return confirmed(*runs);
      why = fmt::format("{} runs, but {}", *runs, explain("the health command", health));
    }
    if (stopping_) return;  // begun anew after the next start
    if (steady_clock::now() + kPause >= until) return unconfirmed(runs ? *runs : std::string(), why);
    pause();
  }
}

void Device::pause() const {
  const auto until = steady_clock::now() + kPause;
  while (!stopping_ && steady_clock::now() < until) std::this_thread::sleep_for(kPauseStep);
}

void Device::confirmed(const std::string& runs) {
  auto versions = state_.versions();
  versions.unwell.clear();
  if (!has_version_source(shared_.options)) {
    versions.current = task_->version;
    versions.given = shared_.options.current_version;
  }
  if (auto kept = state_.set_versions(versions); !kept) return conclude("failed", kept.error().message);
  note_running(runs);
  who_.current_version = runs;
  state_.prune_images(task_->version);
  conclude("installed", {});
}

// In time. `runs` is empty where nothing said what runs.
void Device::unconfirmed(const std::string& runs, const std::string& why) {
  auto versions = state_.versions();
  versions.unwell = runs;
  keep_versions(versions);
  conclude("failed", why);
}

bool Device::superseded_by(const std::string& runs) {
  if (!newer_version(runs, task_->version) || same_version(runs, install_.from_version)) return false;
  conclude("superseded", fmt::format("{} runs after the install, newer than {}", runs, task_->version));
  return true;
}

void Device::conclude(const std::string& outcome, const std::string& reason) {
  phase_ = Phase::reporting;
  install_.outcome = outcome;
  install_.reason = reason.substr(0, kMaxReason);  // what is cut in its middle becomes U+FFFD
  const bool good = outcome == "installed";
  if (!good && install_.tries > 0 && !same_version(task_->version, who_.current_version))
    state_.drop_image(task_->version);
  keep("reporting");
  tell(outcome, good ? state_.image(task_->version).string() : install_.reason);
}

// Kept until it was delivered: after a crash in between it is said again.
void Device::report() {
  if (!reported_) {
    // No state of a progress says that a newer version runs; a request does.
    if (install_.outcome == "superseded")
      send("request", request_json(who_));
    else
      send("progress", state_json(who_, task_->id, install_.outcome, install_.reason));
    reported_ = true;
  }
  if (!control_.delivered()) return;
  const bool good = install_.outcome == "installed";
  const bool confirm = confirm_;
  if (good) last_done_ = task_->id;
  leave(good);
  // The server may wait to hear what runs, and another update may wait for us.
  ask_.arm(steady_clock::now());
  if (good && confirm && shared_.options.once) send("request", request_json(who_));
  finish(good ? 0 : 3);
}

}  // namespace ota::agent
