#include "app/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "ota/base/unknown_argument.hpp"

namespace ota::app {
namespace {

constexpr const char* kDefaultConfig = "/etc/otad/otad.toml";

constexpr const char* kFooter = R"(Without a command the daemon runs until SIGTERM. SIGHUP reloads the settings.
Environment variables override the settings file: OTAD_MQTT_URL sets url in [mqtt].
--print-config prints every key with its description.

Exit status: 0 stopped on request, 1 internal error, 2 invalid settings or arguments.)";

/// --help-all has the options of each command, of those below others too; the man page is made of it.
class Help : public CLI::Formatter {
 public:
  Help() { column_width(32); }

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    if (mode != CLI::AppFormatMode::All) return Formatter::make_help(app, std::move(name), mode);
    return make_description(app) + make_usage(app, std::move(name)) + make_groups(app, mode) +
           make_subcommands(app, CLI::AppFormatMode::Normal) + of_commands(*app, "") + "\n" + make_footer(app);
  }

 private:
  std::string of_commands(const CLI::App& above, const std::string& names) const {
    std::string text;
    for (const auto* command : above.get_subcommands({})) {
      const auto name = names + command->get_name();
      const auto arguments = command->get_options([](const CLI::Option* one) { return one->get_positional(); });
      const auto options = command->get_options(
          [command](const CLI::Option* one) { return one->nonpositional() && one != command->get_help_ptr(); });
      if (!arguments.empty()) text += make_group("Arguments of " + name, true, arguments);
      if (!options.empty()) text += make_group("Options of " + name, false, options);
      if (const auto below = command->get_subcommands({}); !below.empty())
        text += make_subcommands(command, CLI::AppFormatMode::Normal).replace(1, 11, "Commands of " + name);
      text += of_commands(*command, name + " ");
    }
    return text;
  }
};

/// Options and subcommands, and the values that they set.
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
  CLI::App* restore = nullptr;
  CLI::App* firmware = nullptr;
  CLI::App* orphans = nullptr;
  CLI::App* adopt = nullptr;
  CLI::App* purge = nullptr;
  CLI::App* simulate = nullptr;
  CLI::App* setup = nullptr;
  CLI::App* devices = nullptr;
  CLI::App* import = nullptr;

  CommandLine() {
    app.footer(kFooter);
    app.formatter(std::make_shared<Help>());  // before the commands, which inherit it
    app.set_version_flag("--version", "otad " OTAD_VERSION, "Print the version and exit");
    config = app.add_option("--config", found.config, "Settings file (default: /etc/otad/otad.toml if it exists)")
                 ->check(CLI::ExistingFile)
                 ->option_text("FILE");
    auto* check_flag = app.add_flag("--check-config", check, "Validate the settings and exit");
    app.add_flag("--print-config", print, "Print the effective settings, including the defaults, and exit")
        ->excludes(check_flag);
    app.require_subcommand(0, 1);
    app.fallthrough();
    add_keys();
    add_firmware();
    add_backup();
    add_simulate();
    add_setup();
    add_devices();
    app.set_help_all_flag("--help-all", "Print this and the options of each command, and exit");  // not each command's own
  }

  void add_keys() {
    keys = app.add_subcommand("keys", "Manage operators' API keys; changes take effect within a second");
    keys->footer("");
    keys->require_subcommand(1);
    keys->fallthrough();
    add = keys->add_subcommand("add", "Create a key and print it; it can't be shown again");
    add->add_option("--name", found.name, "Name of the key's owner, shown in logs")->required()->option_text("NAME");
    add->add_option("--role", found.role,
                    "viewer: read; operator: also upload firmware, start and stop updates; admin: also manage devices "
                    "and their tokens")
        ->required()
        ->check(CLI::IsMember({"viewer", "operator", "admin"}))
        ->option_text("viewer|operator|admin");
    list = keys->add_subcommand("list", "List keys with name, role and last use");
    remove = keys->add_subcommand("remove", "Revoke a key");
    remove->add_option("NAME", found.name, "Name of the key's owner")->required()->option_text("");
  }

  void add_firmware() {
    firmware = app.add_subcommand("firmware", "Manage orphans: image files that belong to no firmware in the database");
    firmware->footer("");
    firmware->require_subcommand(1);
    firmware->fallthrough();
    orphans = firmware->add_subcommand("orphans", "List orphans with name, size and time");
    adopt = firmware->add_subcommand("adopt",
                                     "Add firmware to the database from an orphan; the daemon must be stopped");
    adopt->add_option("IMAGE", found.images, "Name as listed by orphans")->required()->expected(1)->option_text("");
    adopt->add_option("--version", found.version, "Version of the firmware")->required()->option_text("VERSION");
    adopt->add_option("--hardware", found.hardware, "Hardware that the firmware is for (default: any)")
        ->option_text("HARDWARE");
    adopt->add_flag("--security", found.security, "Mark the firmware as a security update");
    purge = firmware->add_subcommand("purge", "Delete orphans; the daemon must be stopped");
    purge->add_option("IMAGE", found.images, "Names as listed by orphans")->required()->option_text("...");
  }

  void add_backup() {
    backup = app.add_subcommand("backup", "Write database, keys, settings and images into one archive; the daemon may run");
    backup->footer("");
    backup->add_option("FILE", found.file, "File to create; it must not exist")->required()->option_text("");
    backup->add_flag("--without-images", found.without_images, "Leave the images out");
    restore = app.add_subcommand("restore", "Put a backup into an empty data folder; the daemon must be stopped");
    restore->footer("");
    restore->add_option("FILE", found.file, "A backup")->required()->check(CLI::ExistingFile)->option_text("");
    restore->add_flag("--check", found.only_check, "Read the backup, say what is in it, and change nothing");
  }

  void add_root(CLI::App& command) {
    command.add_option("--root", found.root, "Folder below which all files are, of a machine that doesn't run")
        ->check(CLI::ExistingDirectory)
        ->option_text("FOLDER");
  }

  void add_setup() {
    setup = app.add_subcommand("setup", "Set up TLS, Mosquitto and an admin key on this machine; shows what it changes, and "
                                        "asks");
    setup->footer("");
    setup->add_option("--answers", found.answers, "TOML with name, names and user (docs/operating.md, Setup)")
        ->check(CLI::ExistingFile)
        ->option_text("FILE");
    setup->add_flag("--non-interactive", found.non_interactive, "Don't ask");
    auto* dry = setup->add_flag("--dry-run", found.dry_run, "Only show what would change");
    auto* undo = setup->add_flag("--undo", found.undo, "Restore every file as it was before setup");
    setup->add_flag("--renew", found.renew, "Renew the server certificate if it ends within 30 days; for otad-renew.timer")
        ->excludes(dry)
        ->excludes(undo);
    add_root(*setup);
  }

  void add_devices() {
    devices = app.add_subcommand("devices", "Manage devices with files of this machine");
    devices->footer("");
    devices->require_subcommand(1);
    devices->fallthrough();
    import = devices->add_subcommand(
        "import", "Register devices by otactl, and make a token, a broker password and a client certificate for each");
    import->add_option("FILE", found.file, "CSV or NDJSON, as otactl device import takes it")
        ->required()
        ->check(CLI::ExistingFile)
        ->option_text("");
    import->add_option("--credentials", found.credentials, "Folder for the credentials")->required()->option_text("FOLDER");
    add_root(*import);
  }

  void add_simulate() {
    simulate = app.add_subcommand("simulate", "Print what a rollout's settings would do to a fleet; needs no daemon");
    simulate->footer("");
    simulate->add_option("--fleet", found.fleet, "Devices, as in config/simulate/fleet.toml")
        ->required()
        ->check(CLI::ExistingFile)
        ->option_text("FILE");
    simulate->add_option("--rollout", found.rollout, "Fields of POST /rollouts, as in config/simulate/rollout.toml")
        ->required()
        ->check(CLI::ExistingFile)
        ->option_text("FILE");
    simulate->add_option("--runs", found.runs, "Number of runs (default: 300)")
        ->check(CLI::Range(1, 100'000))
        ->option_text("N");
    simulate->add_option("--seed", found.seed, "Seed of the first run (default: 1); the same seed gives the same runs")
        ->check(CLI::Range(0, 1'000'000'000))
        ->option_text("N");
    simulate->add_flag("--json", found.json, "Print JSON, with each run");
  }

  Arguments arguments() {
    if (config->count() == 0 && CLI::ExistingFile(std::string(kDefaultConfig)).empty()) found.config = kDefaultConfig;
    if (check) found.action = Action::check_config;
    if (print) found.action = Action::print_config;
    if (add->parsed()) found.action = Action::keys_add;
    if (list->parsed()) found.action = Action::keys_list;
    if (remove->parsed()) found.action = Action::keys_remove;
    if (backup->parsed()) found.action = Action::backup;
    if (restore->parsed()) found.action = Action::restore;
    if (orphans->parsed()) found.action = Action::firmware_orphans;
    if (adopt->parsed()) found.action = Action::firmware_adopt;
    if (purge->parsed()) found.action = Action::firmware_purge;
    if (simulate->parsed()) found.action = Action::simulate;
    if (setup->parsed()) found.action = Action::setup;
    if (import->parsed()) found.action = Action::devices_import;
    return found;
  }

  /// For each unknown argument: the command or option with the nearest name, or all of them if none is near.
  void print_suggestions(std::ostream& out) const {
    const CLI::App* at = &app;
    for (const auto* below : {keys, firmware, devices})
      if (below->count() > 0) at = below;
    for (const auto* below : at->get_subcommands())
      if (below != at) at = below;
    std::vector<std::string> there;
    const auto know = [&there](std::string name) {
      if (std::find(there.begin(), there.end(), name) == there.end()) there.push_back(std::move(name));
    };
    for (const auto* level = at; level != nullptr; level = level->get_parent()) {
      for (const auto* command : level == at ? level->get_subcommands({}) : std::vector<const CLI::App*>{})
        know(command->get_name());
      for (const auto* option : level->get_options())
        for (const auto& name : option->get_lnames()) know("--" + name);  // each level has a --help
    }
    for (const auto& word : app.remaining(true)) out << "otad: " << unknown_argument(word, there) << '\n';
  }
};

}  // namespace

Parsed parse_arguments(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return {std::nullopt, line.app.exit(asked)};
  } catch (const CLI::ExtrasError&) {  // not CLI11's own text, which names the arguments backwards
    line.print_suggestions(std::cerr);
    return {std::nullopt, kBadSettings};
  } catch (const CLI::ParseError& wrong) {
    line.app.exit(wrong, std::cerr, std::cerr);
    line.print_suggestions(std::cerr);
    return {std::nullopt, kBadSettings};
  }
  return {line.arguments(), kStopped};
}

}  // namespace ota::app
