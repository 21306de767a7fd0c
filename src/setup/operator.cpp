#include "ota/setup/operator.hpp"

#include <toml++/toml.h>

#include "ota/base/text.hpp"
#include "ota/setup/plan.hpp"
#include "setup/files.hpp"

namespace ota::setup {
namespace {

/// The first part of the host's name, as far as a context may be called so.
std::string context_name(const std::string& host) {
  std::string name;
  for (const char c : host.substr(0, host.find('.')))
    if (is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '-' || c == '_') name += c;
  return name.empty() ? "otad" : name.substr(0, 64);
}

}  // namespace

OperatorContext operator_context(const Machine& machine, const User& user, const std::string& url) {
  return {user, context_name(machine.host), url, machine.at(kAuthority).string()};
}

std::vector<std::string> files_of(const OperatorContext& context) {
  const auto folder = context.user.home + "/.config/otactl/";
  return {folder + context.name + ".key", folder + "config.toml"};
}

bool has_context(const Machine& machine, const OperatorContext& context) {
  const auto files = files_of(context);
  const auto found = as_user(context.user.owner, [&]() -> Result<std::string> {
    const auto key = look(machine.at(files[0]));
    const auto contexts = look(machine.at(files[1]));
    if (!key || !*key || !contexts || !*contexts) return std::string("no");
    try {
      const auto table = toml::parse((*contexts)->content);
      const auto one = table["contexts"][context.name];
      const bool same = one["url"].value_or(std::string()) == context.url &&
                        one["ca_file"].value_or(std::string()) == context.ca_file &&
                        one["key_file"].value_or(std::string()) == machine.at(files[0]).string();
      return std::string(same ? "yes" : "no");
    } catch (const toml::parse_error&) {
      return std::string("no");  // otactl names the line
    }
  });
  return found && *found == "yes";
}

}  // namespace ota::setup
