#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <unordered_set>

#include "ota/base/text.hpp"
#include "ota/credentials/secrets.hpp"
#include "setup/draft.hpp"
#include "setup/mosquitto_files.hpp"

namespace ota::setup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfiguration = "/etc/mosquitto/conf.d/otad.conf";
constexpr const char* kAccessList = "/etc/mosquitto/otad.acl";
constexpr const char* kUser = "otad";

/// Settings of a broker that decide who gets in, and where: another file that has one would overrule ours.
constexpr std::array<std::string_view, 8> kOurs{"listener",       "port",          "bind_address", "allow_anonymous",
                                                "password_file",  "acl_file",      "per_listener_settings",
                                                "auth_plugin"};

/// The first of kOurs in a configuration; empty without one.
std::string overruling(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto word = trim(line, " \t\r");
    const auto key = word.substr(0, word.find_first_of(" \t"));
    if (std::find(kOurs.begin(), kOurs.end(), key) != kOurs.end()) return std::string(word);
  }
  return {};
}

void check_other_files(const Draft& draft) {
  std::vector<std::string> files{"/etc/mosquitto/mosquitto.conf"};
  std::error_code error;
  const fs::path folder = fs::path(kConfiguration).parent_path();
  for (const auto& entry : fs::directory_iterator(draft.machine().at(folder), error)) {
    const auto path = folder / entry.path().filename();
    if (path.extension() == ".conf" && path != kConfiguration) files.push_back(path.string());
  }
  for (const auto& file : files) {
    const auto found = overruling(draft.content(file).value_or(""));
    if (!found.empty())
      refuse(Errc::wrong_state, fmt::format("{} has the line '{}', which doesn't go with what setup writes to {}: "
                                            "take it out, or configure this broker by hand (docs/operating.md, Broker)",
                                            file, found, kConfiguration));
  }
}

std::string user_of(std::string_view line) { return std::string(line.substr(0, line.find(':'))); }

/// `wanted` without those that are there already.
std::vector<std::string> missing_lines(const std::string& text, std::vector<std::string> wanted) {
  std::istringstream lines(text);
  std::unordered_set<std::string> there;
  for (std::string line; std::getline(lines, line);) there.insert(std::move(line));
  std::erase_if(wanted, [&](const auto& line) { return there.contains(line); });
  return wanted;
}

std::string with_lines(const std::string& text, const std::vector<std::string>& wanted) {
  std::string result;
  std::unordered_set<std::string> users;
  for (const auto& line : wanted) users.insert(user_of(line));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && !users.contains(user_of(line))) result += line + '\n';
  for (const auto& line : wanted) result += line + '\n';
  return result;
}

bool has_password(const std::string& text, const std::string& password) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (user_of(line) == kUser) return credentials::matches(line, kUser, password);
  return false;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace

void add_broker(Draft& draft, const Settings& settings, const std::string& password) {
  check_other_files(draft);
  const auto before = draft.content(kPasswords).value_or("");
  const auto lines = has_password(before, password)
                         ? before
                         : with_lines(before, {credentials::mosquitto_line(kUser, password)});
  draft.want({kPasswords, lines, 0600, draft.broker(), "password of otad (not shown); those of others stay"});
  draft.want({kAccessList, replace_all(std::string(kSecureAccessList), "/ota/", settings.mqtt.topic_root + "/"), 0644,
              {}, ""});
  draft.want({kConfiguration, std::string(kSecureConfiguration), 0644, {}, ""});
}

Result<Plan> plan_passwords(const Machine& machine, const std::vector<std::string>& lines) {
  try {
    Draft draft(machine);
    const auto before = draft.content(kPasswords);
    if (!before) return fail(Errc::not_found, fmt::format("there is no {}: run otad setup first", kPasswords));
    draft.want({kPasswords, with_lines(*before, missing_lines(*before, lines)), 0600, draft.broker(),
                "passwords of devices (not shown)"});
    return std::move(draft.plan);
  } catch (const Refused& refused) {
    return refused.error;
  }
}

}  // namespace ota::setup
