#include "app/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <ostream>
#include <string_view>
#include <vector>

#include "ota/base/text.hpp"

namespace ota::app {
namespace {

constexpr const char* kDefaultConfig = "/etc/otad/otad.toml";

constexpr const char* kFooter = R"(Without a command the daemon runs until SIGTERM. SIGHUP reads the settings again.
Settings come from the file, then from variables such as OTAD_MQTT_URL for url in
[mqtt]; --print-config shows every key with what it does.

Exit status: 0 stopped as told, 1 a fault while running, 2 bad settings or arguments.)";

/// The words of the command line and where they go.
struct CommandLine {
  CLI::App app{"Over-the-air firmware updates for device fleets.", "otad"};
  Arguments found;
  bool check = false;
  bool print = false;
  CLI::Option* config = nullptr;
  CLI::App* keys = nullptr;
  CLI::App* add = nullptr;
  CLI::App* list = nullptr;
  CLI::App* remove = nullptr;
  CLI::App* backup = nullptr;
  CLI::App* firmware = nullptr;
  CLI::App* orphans = nullptr;
  CLI::App* adopt = nullptr;
  CLI::App* purge = nullptr;

  CommandLine() {
    app.footer(kFooter);
    app.set_version_flag("--version", "otad " OTAD_VERSION, "Print the version and exit");
    config = app.add_option("--config", found.config, "The settings (default: /etc/otad/otad.toml, where there is one)")
                 ->check(CLI::ExistingFile)
                 ->option_text("FILE");
    auto* check_flag = app.add_flag("--check-config", check, "Check the settings, say what is wrong, and exit");
    app.add_flag("--print-config", print, "Print the settings in force, with defaults and environment, and exit")
        ->excludes(check_flag);
    app.require_subcommand(0, 1);
    app.fallthrough();
    add_keys();
    add_firmware();
    backup = app.add_subcommand("backup", "Write a consistent copy of the database while the daemon runs");
    backup->add_option("FILE", found.file, "The copy; must not exist yet")->required()->option_text("");
  }

  void add_keys() {
    keys = app.add_subcommand("keys", "Operators' API keys; changes are in force within a second");
    keys->footer("");
    keys->require_subcommand(1);
    keys->fallthrough();
    add = keys->add_subcommand("add", "Make a key and print it, this once");
    add->add_option("--name", found.name, "Whose key it is; shows in logs")->required()->option_text("NAME");
    add->add_option("--role", found.role,
                    "viewer reads; operator also starts and stops updates and uploads firmware; "
                    "admin also manages devices and their secrets")
        ->required()
        ->check(CLI::IsMember({"viewer", "operator", "admin"}))
        ->option_text("viewer|operator|admin");
    list = keys->add_subcommand("list", "Show names, roles and when they were last used");
    remove = keys->add_subcommand("remove", "Take a key away");
    remove->add_option("NAME", found.name, "Whose key")->required()->option_text("");
  }

  void add_firmware() {
    firmware = app.add_subcommand("firmware", "Images in storage.firmware_dir that no firmware in the database has");
    firmware->footer("");
    firmware->require_subcommand(1);
    firmware->fallthrough();
    orphans = firmware->add_subcommand("orphans", "Show their names, sizes and times");
    adopt = firmware->add_subcommand("adopt", "Make one a firmware again; the daemon must be stopped");
    adopt->add_option("IMAGE", found.images, "Its name, as orphans shows it")->required()->expected(1)->option_text("");
    adopt->add_option("--version", found.version, "The firmware's version")->required()->option_text("VERSION");
    adopt->add_option("--hardware", found.hardware, "Which hardware it is for; without: every")
        ->option_text("HARDWARE");
    adopt->add_flag("--security", found.security, "It is a security update");
    purge = firmware->add_subcommand("purge", "Remove them for good; the daemon must be stopped");
    purge->add_option("IMAGE", found.images, "Their names, as orphans shows them")->required()->option_text("...");
  }

  Arguments arguments() {
    if (config->count() == 0 && CLI::ExistingFile(std::string(kDefaultConfig)).empty()) found.config = kDefaultConfig;
    if (check) found.action = Action::check_config;
    if (print) found.action = Action::print_config;
    if (add->parsed()) found.action = Action::keys_add;
    if (list->parsed()) found.action = Action::keys_list;
    if (remove->parsed()) found.action = Action::keys_remove;
    if (backup->parsed()) found.action = Action::backup;
    if (orphans->parsed()) found.action = Action::firmware_orphans;
    if (adopt->parsed()) found.action = Action::firmware_adopt;
    if (purge->parsed()) found.action = Action::firmware_purge;
    return found;
  }

  /// For each word that nothing takes: the command or option that it was likely meant to be, or all that there are.
  void tell_what_was_meant(std::ostream& out) const {
    const CLI::App* at = &app;
    for (const auto* below : {keys, firmware})
      if (below->count() > 0) at = below;
    for (const auto* below : at->get_subcommands())
      if (below != at) at = below;
    std::vector<std::string> there;
    for (const auto* level = at; level != nullptr; level = level->get_parent()) {
      for (const auto* command : level == at ? level->get_subcommands({}) : std::vector<const CLI::App*>{})
        there.push_back(command->get_name());
      for (const auto* option : level->get_options())
        for (const auto& name : option->get_lnames()) there.push_back("--" + name);
    }
    const std::vector<std::string_view> names(there.begin(), there.end());
    for (const auto& word : app.remaining(true)) {
      const auto meant = closest(word, names);
      out << (meant.empty() ? fmt::format("{}: there are {}\n", word, fmt::join(names, ", "))
                            : fmt::format("{}: did you mean {}?\n", word, meant));
    }
  }
};

}  // namespace

Parsed parse_arguments(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return {std::nullopt, line.app.exit(asked)};
  } catch (const CLI::ParseError& wrong) {
    line.app.exit(wrong, std::cerr, std::cerr);
    line.tell_what_was_meant(std::cerr);
    return {std::nullopt, kBadSettings};
  }
  return {line.arguments(), kStopped};
}

}  // namespace ota::app
