// Why a device is or isn't updated, by the checks that decide it.
#include <fmt/format.h>

#include <algorithm>

#include "engine/commands.hpp"
#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

std::string stage_of(const Rollout& rollout) {
  return rollout.state == RolloutState::completed
             ? "target"
             : fmt::format("rollout {} stage {}", rollout.id.str(), rollout.stage + 1);
}

std::string text_of(std::string_view verdict, const std::string& detail) {
  static const std::map<std::string_view, const char*> kTexts{
      {"unknown_device", "there is no such device"},
      {"absent", "the device is not online"},
      {"pinned", "the device is pinned: its channel updates it no more"},
      {"wrong_hardware", "the device is not what it is registered as"},
      {"no_target", "there is nothing that the device should run"},
      {"up_to_date", "the device runs what it should run"},
      {"ahead", "the device runs a newer version, and is left alone"},
      {"blocked", "an operator blocked the firmware"},
      {"failed_before", "the device had this version before and does not get it again"},
      {"rollout_scheduled", "the rollout has not started"},
      {"waiting_approval", "the rollout waits for an approval"},
      {"paused", "the rollout is paused"},
      {"halted", "the rollout is halted"},
      {"not_in_stage_tags", "the stage is for devices with other tags"},
      {"stage_full", "the stage is full"},
      {"stage_delay", "the next stage opens later"},
      {"admitted", "the device gets its update at its next contact"},
      {"queued", "the update waits in the queue"},
      {"downloading", "the device downloads the update"},
      {"retry_wait", "the download starts again after a failure"},
      {"window", "the maintenance window is closed"},
      {"pace", "other devices must prove the version first"},
      {"postponed", "the device postponed the installation"},
      {"installing", "the device installs the update"},
      {"overdue", "the device was not seen after the installation, and counts as failed until it is"}};
  const auto found = kTexts.find(verdict);
  const std::string sentence = found == kTexts.end() ? std::string(verdict) : found->second;
  return detail.empty() ? sentence : sentence + ": " + detail;
}

class Explainer {
 public:
  Explainer(TaskService& service, Device device) : service_(service), device_(std::move(device)) {
    told_.device = device_.id;
    told_.runs = device_.current_version;
  }

  DeviceExplanation explain() {
    if (auto task = current_task()) {
      about_task(*task);
    } else {
      about_admission();
    }
    return std::move(told_);
  }

 private:
  /// That the device has now: its active one, else the first of those that wait.
  std::optional<Task> current_task() {
    auto active = service_.lifecycle.load_active(device_.id);
    if (active) return active;
    const auto queued = service_.rows.unit.queued_of(device_.id, 1);
    return queued.empty() ? std::nullopt : std::optional{queued.front()};
  }

  void about_admission() {
    const auto found = service_.admission.look(device_);
    told_.checks = found.checks;
    told_.should_run = found.version;
    if (found.rollout) told_.by = found.by_target ? "target" : stage_of(*found.rollout);
    const auto failed = found.failed();
    told_.verdict = failed.empty() ? "admitted" : failed;
    std::string detail;
    for (const auto& check : found.checks)
      if (!check.ok) detail = check.detail;
    told_.text = text_of(told_.verdict, detail);
    if (failed == "no_target") about_last_task();
    if (failed == "absent") told_.next = "its next contact";
    if (!found.rollout) return;
    const auto& rollout = *found.rollout;
    if (failed == "rollout_scheduled") {
      told_.next = "the rollout starts";
      told_.next_at = rollout.spec.not_before;
    }
    if (failed == "stage_delay" && rollout.passed_tl) {
      told_.next = "the next stage opens";
      told_.next_at = service_.wall() + (*rollout.passed_tl + stage_delay(rollout) - service_.now());
    }
    if (failed == "stage_full") told_.next = "the stage is passed";
  }

  /// What became of the last order, where it did not succeed.
  void about_last_task() {
    const auto task = service_.rows.tasks().newest_of(device_.id);
    if (!task || task->state == TaskState::succeeded) return;
    auto text = fmt::format("; its last task {} to {} is {}", task->id.str(), task->version, to_string(task->state));
    if (!task->reason.empty() && task->reason != to_string(task->state)) text += ": " + task->reason;
    if (!task->detail.empty()) text += fmt::format(" (the device: {})", task->detail);
    told_.text += text;
  }

  void note(std::string_view verdict, std::string detail) {
    told_.verdict = verdict;
    told_.checks.push_back({verdict, false, detail});
    told_.text = text_of(verdict, detail);
  }

  void about_task(const Task& task) {
    told_.should_run = task.version;
    told_.by = "order";
    if (task.rollout != 0) {
      const auto rollout = service_.rollouts.read(task.rollout);
      told_.by = rollout ? stage_of(*rollout) : "rollout";
    }
    told_.checks.push_back({"task", true, fmt::format("{} is {}", task.id.str(), to_string(task.state))});
    switch (task.state) {
      case TaskState::queued:
        return about_queue(task);
      case TaskState::offered:
        note("downloading", fmt::format("task {} is offered", task.id.str()));
        told_.text = fmt::format("the device was offered task {} and has not started", task.id.str());
        return;
      case TaskState::downloading:
        return about_download(task);
      case TaskState::retry_wait:
        told_.next = "the next attempt";
        if (task.retry_due) told_.next_at = service_.wall() + (*task.retry_due - service_.now());
        return note("retry_wait", fmt::format("attempt {} of {}: {}", task.attempt, task.max_attempts, task.reason));
      case TaskState::staged:
        return about_gate(task);
      default:
        break;
    }
    told_.next_at = task.confirm_by;
    told_.next = "it counts as failed where it doesn't report the version by then";
    note(task.overdue ? "overdue" : "installing", "");
    if (task.rollout == 0 || task.overdue || !same_version(device_.current_version, task.version)) return;
    told_.text = fmt::format("the device runs {}; it counts as healthy once it ran that for the soak time", task.version);
    told_.next = "it counts as healthy, or as failed where it falls back";
  }

  void about_download(const Task& task) {
    const auto live = service_.transfers().view(task.id.number);
    const auto have = live ? std::max(task.chunks_have, live->chunks_have) : task.chunks_have;
    const auto by_chunks = static_cast<int>(std::uint64_t{have} * 100 / task.grid().count());
    const auto percent = std::max(by_chunks, live ? live->percent : task.percent);
    auto detail = fmt::format("{} % of {} bytes", percent, task.size);
    if (live && live->rate > 0) {
      detail += fmt::format(", {:.0f} kB/s", live->rate / 1'000);
      const auto seconds = static_cast<double>(task.size) * (100 - percent) / 100 / live->rate;
      told_.next = "the image is complete";
      told_.next_at = service_.wall() + Millis{static_cast<std::int64_t>(seconds * 1'000)};
    }
    note("downloading", std::move(detail));
  }

  void about_queue(const Task& task) {
    if (device_.present_until_tl <= service_.now())
      return note("absent", device_.last_seen ? "last seen " + to_rfc3339(*device_.last_seen) : "never seen");
    if (!service_.trust.trusted(task)) {
      const auto firmware = storage::if_readable([&] { return service_.rows.firmware.find(task.firmware_id); });
      return note("blocked", firmware && firmware->blocked ? *firmware->blocked : "the firmware is not trusted");
    }
    if (task.wait_reason == WaitReason::gate) return about_gate(task);
    note("queued", what_it_waits_for(task));
  }

  std::string what_it_waits_for(const Task& task) {
    switch (task.wait_reason) {
      case WaitReason::not_before:
        told_.next_at = task.not_before;
        told_.next = "its start time (not_before)";
        return task.not_before ? "not before " + to_rfc3339(*task.not_before) : "its start time";
      case WaitReason::image_missing:
        return "the image file is missing (image_missing)";
      case WaitReason::digests:
        return "the digests of its chunks are being computed";
      case WaitReason::uplink:
        return fmt::format("other devices with poor links use the uplink {}", device_.held_uplink);
      case WaitReason::poll:
        told_.next = "its next poll";
        return "it gets a slot when it polls";
      case WaitReason::chunk_size:
        return image_too_large(device_, task.version, task.size).message;
      default:
        return fmt::format("place {}", service_.rows.tasks().ready_before(task, 1'000) + 1);
    }
  }

  void about_gate(const Task& task) {
    const auto refusal = service_.gate.check(task, device_);
    if (!refusal) {
      told_.next = "it is told to install, at its next contact";
      return note("installing", "the image is verified");
    }
    told_.next_at = refusal->until;
    if (refusal->reason == HoldReason::window) told_.next = "the window opens";
    if (refusal->reason == HoldReason::postponed) told_.next = "the device is told to install";
    if (refusal->rule == GateRefusal::blocked) return note("blocked", "");
    const auto* rollout = service_.rollouts.find(task.rollout);
    switch (refusal->reason) {
      case HoldReason::pace: {
        const auto before = service_.rows.rollouts().staged_before(task);
        return note("pace", fmt::format("{} wait before it", before));
      }
      case HoldReason::approval:
        return note("waiting_approval", "");
      case HoldReason::halted:
        return note("halted", rollout ? rollout->reason : "");
      default:
        return note(to_string(refusal->reason), refusal->until ? "until " + to_rfc3339(*refusal->until) : "");
    }
  }

  TaskService& service_;
  Device device_;
  DeviceExplanation told_;
};

}  // namespace

DeviceExplanation explain_device(TaskService& service, const std::string& id) {
  const auto device = service.registry.find(id);
  if (device) return Explainer(service, *device).explain();
  DeviceExplanation told;
  told.device = id;
  told.verdict = "unknown_device";
  told.text = text_of(told.verdict, {});
  told.checks.push_back({told.verdict, false, {}});
  return told;
}

}  // namespace ota::engine
