// The end of an update: from the server's success to the new version.
#include <fmt/format.h>

#include "agent/device.hpp"
#include "agent/files.hpp"
#include "agent/installer.hpp"

namespace ota::agent {
namespace {

// Takes the part as the image of its version; where that was done before a crash, only checks. Errors in words.
Result<std::filesystem::path> take_image(StateDir& state, const Task& task) {
  auto image = state.image(task.version);
  auto part = state.part(task.checksum);
  std::error_code ignored;
  if (std::filesystem::exists(part, ignored)) {
    if (auto renamed = rename_safely(part, image); !renamed) return renamed.error();
    std::filesystem::remove(ImageFile::digests_file(part), ignored);
  }
  auto digest = file_digest(image);
  if (!digest) return digest.error();
  if (*digest != task.checksum)
    return fail(Errc::checksum_differs, "the image on disk is not the one that was verified");
  return image;
}

}  // namespace

void Device::install() {
  image_.reset();
  auto image = take_image(state_, *task_);
  if (!image) {
    give_up(image.error().message);
    return;
  }
  if (auto allowed = may_install(*task_, who_.hardware, shared_.trusted); !allowed) {
    give_up(allowed.error().message);
    std::error_code ignored;
    std::filesystem::remove(*image, ignored);
    return;
  }
  send("progress", state_json(who_, task_->id, "installing", {}));
  auto done = run_install(shared_.options, id_, *task_, *image, stopping_);
  if (stopping_ && !done) return;  // told to stop in its middle: it is begun anew after the next start
  if (!done) {
    give_up(done.error().message);
    return;
  }
  installed(*image);
}

void Device::installed(const std::filesystem::path& image) {
  if (auto kept = state_.set_current_version(task_->version); !kept) {
    give_up(kept.error().message);
    return;
  }
  state_.prune_images(task_->version);
  tell("installed", image.string());
  who_.current_version = task_->version;
  last_done_ = task_->id;
  bool confirm = confirm_;
  leave(true);
  send("progress", state_json(who_, last_done_, "installed", {}));
  // The server may wait to hear the new version, and another update may wait for us.
  ask_.arm(std::chrono::steady_clock::now());
  if (confirm && shared_.options.once) send("request", request_json(who_));
  finish(0);
}

}  // namespace ota::agent
