#include "setup/draft.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace ota::setup {
namespace {

Owner owner_named(const Machine& machine, const char* name, const char* package) {
  const auto user = find_user(machine, name);
  if (!user)
    refuse(Errc::not_found,
           fmt::format("{}: install the package {} first (apt-get install {})", user.error().message, package, package));
  return user->owner;
}

std::string shown(const File& file, const std::optional<FileState>& now, bool same_content) {
  const std::string indent(4, ' ');
  if (same_content)
    return fmt::format("{}owner {} and mode {:04o} instead of {} and {:04o}\n", indent, file.owner.user, file.mode,
                       now->owner.user, now->mode);
  if (!file.about.empty()) return indent + (now ? "" : "new: ") + file.about + '\n';
  return (now ? "" : indent + "new:\n") + difference(now ? now->content : "", file.content, indent);
}

}  // namespace

void refuse(Errc code, std::string message) { throw Refused{fail(code, std::move(message))}; }

Draft::Draft(const Machine& machine)
    : machine_(machine),
      daemon_(owner_named(machine, "otad", "otad")),
      broker_(owner_named(machine, "mosquitto", "mosquitto")) {}

std::optional<std::string> Draft::content(const std::string& path) const {
  for (auto change = plan.changes.rbegin(); change != plan.changes.rend(); ++change)
    if (change->file.path == path) return change->file.content;
  auto now = look(machine_.at(path));
  if (!now) throw Refused{now.error()};
  if (!*now) return std::nullopt;
  return std::move((*now)->content);
}

void Draft::want(File file) {
  const auto now = look(machine_.at(file.path));
  if (!now) throw Refused{now.error()};
  const bool same_content = *now && (*now)->content == file.content;
  const bool may_own = ::geteuid() == 0;  // as nobody else can give files away
  if (same_content && (*now)->mode == file.mode && (!may_own || (*now)->owner == file.owner)) return;
  (file.path.starts_with("/etc/mosquitto/") ? plan.broker : plan.daemon) = true;
  auto text = shown(file, *now, same_content);
  plan.changes.push_back({std::move(file), std::move(text)});
}

}  // namespace ota::setup
