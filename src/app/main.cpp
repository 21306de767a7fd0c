#include <sys/stat.h>

#include <iostream>

#include "app/arguments.hpp"
#include "app/commands.hpp"
#include "app/run.hpp"
#include "app/secrets.hpp"
#include "ota/base/settings.hpp"

namespace {

using namespace ota;

int check(const Settings& settings) {
  if (auto files = app::check_files(settings); !files) {
    app::tell(files.error());
    return app::kBadSettings;
  }
  std::cout << "the settings are good\n";
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
    case app::Action::run:
      break;
  }
  return app::run_daemon(settings, arguments.config);
}

}  // namespace

int main(int argc, char** argv) {
  ::umask(0027);
  const auto parsed = app::parse_arguments(argc, argv);
  if (!parsed.arguments) return parsed.status;
  auto settings = load_settings(parsed.arguments->config, process_environment());
  if (!settings) {
    app::tell(settings.error());
    return app::kBadSettings;
  }
  return perform(*parsed.arguments, *settings);
}
