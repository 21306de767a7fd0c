#include "app/arguments.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

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

  Arguments arguments() {
    if (config->count() == 0 && CLI::ExistingFile(std::string(kDefaultConfig)).empty()) found.config = kDefaultConfig;
    if (check) found.action = Action::check_config;
    if (print) found.action = Action::print_config;
    if (add->parsed()) found.action = Action::keys_add;
    if (list->parsed()) found.action = Action::keys_list;
    if (remove->parsed()) found.action = Action::keys_remove;
    if (backup->parsed()) found.action = Action::backup;
    return found;
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
    return {std::nullopt, kBadSettings};
  }
  return {line.arguments(), kStopped};
}

}  // namespace ota::app
