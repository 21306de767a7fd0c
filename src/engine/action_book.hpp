// Actions of devices that only poll: which one a device is shown for its task, what it is told by it.
#pragma once

#include <optional>
#include <string>

#include "ota/domain/action.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

class ActionBook {
 public:
  explicit ActionBook(TaskService& service) : service_(service) {}

  /// The action by which the device is shown its active task, one for each attempt; made where there is none. Nothing:
  /// it has to wait, or reported its end already.
  std::optional<Action> shown(const Task& task);
  /// The gate of the task's rollout is open for the device.
  bool may_be_shown(const Task& task, const Device& device);
  /// What others would be sent: an order to stop lies ready until the device says that it stopped.
  void told(const Answer& answer);
  /// The order to stop is no longer waited for: what the device reports of it from now on is too late. False where it
  /// was answered, or there is none.
  bool give_up(const Task& task, const std::string& by);
  /// Where the device only polls and the whole image went out, it installs.
  void image_sent(Task& task);
  /// The device began the image again after all of it went out. True where that fails the attempt.
  bool begun_again(Task& task);
  /// A sign of life of a device that installs: it has its full time again.
  void still_installing(Task& task);

 private:
  TaskService& service_;
};

}  // namespace ota::engine
