#include <sys/stat.h>

#include <exception>
#include <iostream>

#include "app/arguments.hpp"
#include "app/commands.hpp"
#include "app/config_check.hpp"
#include "app/run.hpp"
#include "ota/base/process.hpp"
#include "ota/base/settings.hpp"

namespace {

using namespace ota;

void warn_of_unknown_variables() {
  for (const auto& warning : unknown_variables(process_environment())) std::cerr << "otad: " << warning << '\n';
}

int check(const Settings& settings) {
  warn_of_unknown_variables();
  if (auto files = app::check_files(settings, app::user_of_daemon(settings)); !files) {
    app::tell(files.error());
    return app::kBadSettings;
  }
  std::cout << "the settings are valid\n";
  return app::kStopped;
}

int perform(const app::Arguments& arguments, const Settings& settings) {
  switch (arguments.action) {
    case app::Action::check_config:
      return check(settings);
    case app::Action::print_config:
      std::cout << to_toml(settings);
      return app::kStopped;
    case app::Action::keys_add:
      return app::add_key(settings, arguments);
    case app::Action::keys_list:
      return app::list_keys(settings);
    case app::Action::keys_remove:
      return app::remove_key(settings, arguments);
    case app::Action::backup:
      return app::backup(settings, arguments);
    case app::Action::restore:
      return app::restore(settings, arguments);
    case app::Action::firmware_orphans:
      return app::list_orphans(settings);
    case app::Action::firmware_adopt:
      return app::adopt_orphan(settings, arguments);
    case app::Action::firmware_purge:
      return app::purge_orphans(settings, arguments);
    case app::Action::run:
    case app::Action::simulate:
    case app::Action::setup:
    case app::Action::devices_import:
      break;
  }
  return app::run_daemon(settings, arguments.config);
}

int run(int argc, char** argv) {
  const auto parsed = app::parse_arguments(argc, argv);
  if (!parsed.arguments) return parsed.status;
  const auto& arguments = *parsed.arguments;
  if (arguments.action == app::Action::simulate) return app::simulate_rollout(arguments);
  if (arguments.action == app::Action::setup) return app::setup(arguments);
  if (arguments.action == app::Action::devices_import) return app::import_devices(arguments);
  auto settings = app::read_settings(arguments.config);
  if (!settings) {
    app::tell(settings.error());
    return app::kBadSettings;
  }
  return perform(arguments, *settings);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  forbid_core_dumps();
  ::umask(0027);
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "otad: ended by an internal error: " << e.what() << '\n';
    return app::kFault;
  }
}
