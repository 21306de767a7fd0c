// otad setup: shows what changes on this machine, asks once, and makes or undoes it (docs/operating.md, Setup).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "app/services.hpp"
#include "ota/setup/journal.hpp"
#include "ota/setup/operator.hpp"
#include "ota/setup/plan.hpp"

namespace ota::app {
namespace {

using setup::Journal;
using setup::Machine;
using setup::OperatorContext;

void tell_line(const std::string& line) { std::cout << line << std::endl; }

/// False: the operator doesn't want it, or can't be asked.
bool agreed(const Arguments& arguments, const char* question) {
  if (arguments.non_interactive) return true;
  if (::isatty(STDIN_FILENO) == 0) {
    complain("setup asks before it changes something: run it on a terminal, or with --non-interactive");
    return false;
  }
  std::cout << '\n' << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  std::cout << "nothing was changed\n";
  return false;
}

std::string key_name(const OperatorContext& context) { return context.user.name + "@otactl"; }

/// Whose otactl gets a key; nothing if nobody's.
Result<std::optional<OperatorContext>> chosen_operator(const Machine& machine, const setup::Answers& answers,
                                                       const std::string& url) {
  const char* sudo = std::getenv("SUDO_USER");
  const auto name = answers.user.value_or(sudo && *sudo ? sudo : "root");
  if (name.empty()) return std::optional<OperatorContext>();
  const auto user = setup::find_user(machine, name);
  if (!user) return user.error();
  return std::optional(setup::operator_context(machine, *user, url));
}

/// A key in the database, and in the user's otactl; both anew, because a secret can't be read from the database.
Result<void> give_key(const Machine& machine, const OperatorContext& context, Journal& journal) {
  const auto settings = setup::settings_of(machine);
  const auto daemon = setup::find_user(machine, "otad");
  if (!settings) return settings.error();
  if (!daemon) return daemon.error();
  if (auto kept = journal.keep(setup::files_of(context), context.user.owner); !kept) return kept;
  if (auto noted = journal.note_key(key_name(context)); !noted) return noted;
  const auto secret = setup::as_user(daemon->owner, [&] {
    (void)drop_key(*settings, key_name(context));  // of a run that was interrupted
    return make_key(*settings, key_name(context), Role::admin);
  });
  if (!secret) return secret.error();
  const auto added = setup::as_user(context.user.owner, [&]() -> Result<std::string> {
    const auto status = run_program({sibling("otactl"),
                                     {"context", "add", context.name, "--url", context.url, "--ca-file",
                                      context.ca_file, "--key-file", "-"},
                                     {"HOME=" + machine.at(context.user.home).string(), "XDG_CONFIG_HOME"},
                                     *secret + "\n"});
    if (status && *status == 0) return std::string();
    return fail(Errc::not_found, "the key couldn't be given to otactl; install the package otactl and run otad setup again");
  });
  if (!added) return added.error();
  return {};
}

struct Wanted {
  setup::Plan plan;
  std::optional<OperatorContext> context;  ///< that is missing
};

Result<Wanted> look_at(const Machine& machine, const Arguments& arguments) {
  setup::Answers answers;
  if (!arguments.answers.empty()) {
    auto read = setup::read_answers(arguments.answers);
    if (!read) return read.error();
    answers = std::move(*read);
  }
  auto plan = setup::plan_setup(machine, answers);
  if (!plan) return plan.error();
  auto context = chosen_operator(machine, answers, plan->operators_url);
  if (!context) return context.error();
  const auto settings = setup::settings_of(machine);
  if (*context && settings && has_key(*settings, key_name(**context)) && setup::has_context(machine, **context))
    context->reset();
  return Wanted{std::move(*plan), std::move(*context)};
}

void describe(const Wanted& wanted, const Machine& machine) {
  const auto& plan = wanted.plan;
  std::cout << fmt::format("Devices call this machine {}; further names: {}\n", plan.name,
                           plan.names.empty() ? "none" : fmt::format("{}", fmt::join(plan.names, ", ")));
  for (const auto& change : plan.changes) std::cout << fmt::format("\n{}\n{}", change.file.path, change.shown);
  if (wanted.context)
    std::cout << fmt::format("\nAPI key {} (admin), for otactl of {}\n    context {} with {} in {}/.config/otactl\n",
                             key_name(*wanted.context), wanted.context->user.name, wanted.context->name,
                             wanted.context->url, wanted.context->user.home);
  if (have_services(machine) && plan.broker) std::cout << "\nmosquitto.service is restarted\n";
  if (have_services(machine) && plan.daemon) std::cout << "\notad.service is restarted\n";
}

Result<void> make(const Machine& machine, const Wanted& wanted, Journal& journal) {
  if (auto begun = journal.begin(); !begun) return begun;
  if (auto applied = setup::apply(machine, wanted.plan, &journal, tell_line); !applied) return applied;
  if (auto restarted = change_services(machine, Service::restart, wanted.plan.broker || wanted.plan.changes.empty(),
                                       wanted.plan.daemon || wanted.plan.changes.empty());
      !restarted)
    return restarted;
  if (wanted.context) {
    if (auto given = give_key(machine, *wanted.context, journal); !given) return given;
  }
  return journal.end();
}

int set_up(const Machine& machine, const Arguments& arguments) {
  auto wanted = look_at(machine, arguments);
  if (!wanted) return complain(wanted.error().message);
  if (arguments.dry_run) {
    describe(*wanted, machine);
    std::cout << "\nnothing was changed (--dry-run)\n";
    return kStopped;
  }
  auto journal = Journal::open(machine);
  if (!journal) return complain(journal.error().message);
  if (wanted->plan.changes.empty() && !wanted->context && !journal->pending()) {
    std::cout << "everything is set up already; nothing was changed\n";
    return kStopped;
  }
  if (journal->pending()) {
    std::cout << "An earlier setup was interrupted; this goes on with it.\n";
    wanted->plan.broker = wanted->plan.daemon = true;  // whether they were restarted isn't known
  }
  describe(*wanted, machine);
  if (!agreed(arguments, "Make these changes?")) return kFault;
  if (auto made = make(machine, *wanted, *journal); !made)
    return complain(made.error().message + "; then run otad setup again, or otad setup --undo");
  if (!have_services(machine)) std::cout << "Mosquitto and otad use this once they are restarted.\n";
  std::cout << fmt::format("done; devices reach MQTT at ssl://{}:8883 and verify it with {}\n", wanted->plan.name,
                           setup::kAuthority);
  return kStopped;
}

int undo(const Machine& machine, const Arguments& arguments) {
  auto journal = Journal::open(machine);
  if (!journal) return complain(journal.error().message);
  if (journal->empty()) {
    std::cout << "there is nothing to undo\n";
    return kStopped;
  }
  for (const auto& line : journal->describe()) std::cout << line << '\n';
  if (!journal->key().empty()) std::cout << fmt::format("remove  API key {}\n", journal->key());
  if (!agreed(arguments, "Undo the setup? Devices then lose the authority that they verify this server with.")) return kFault;
  if (const auto settings = setup::settings_of(machine); settings && !journal->key().empty()) {
    const auto daemon = setup::find_user(machine, "otad");
    if (!daemon) return complain(daemon.error().message);
    if (has_key(*settings, journal->key())) {
      const auto dropped = setup::as_user(daemon->owner, [&]() -> Result<std::string> {
        if (auto done = drop_key(*settings, journal->key()); !done) return done.error();
        return std::string();
      });
      if (!dropped) return complain(dropped.error().message);
    }
  }
  if (auto undone = journal->undo(tell_line); !undone)
    return complain(undone.error().message + "; then run otad setup --undo again");
  if (auto restarted = change_services(machine, Service::restart, true, true); !restarted)
    return complain(restarted.error().message);
  std::cout << "everything is as it was before setup\n";
  return kStopped;
}

int renew(const Machine& machine) {
  const auto plan = setup::plan_renewal(machine);
  if (!plan) return complain(plan.error().message);
  if (plan->changes.empty()) {
    std::cout << "the certificate doesn't end within 30 days; nothing was changed\n";
    return kStopped;
  }
  if (auto applied = setup::apply(machine, *plan, nullptr, tell_line); !applied)
    return complain(applied.error().message);
  const auto told = change_services(machine, Service::reload, true, true);
  return told ? kStopped : complain(told.error().message);
}

}  // namespace

int setup(const Arguments& arguments) {
  if (arguments.root == "/" && ::geteuid() != 0)
    return complain("setup changes files of root: run sudo otad setup", kBadSettings);
  std::error_code error;
  const auto machine = setup::this_machine(std::filesystem::absolute(arguments.root, error).lexically_normal());
  if (arguments.undo) return undo(machine, arguments);
  return arguments.renew ? renew(machine) : set_up(machine, arguments);
}

}  // namespace ota::app
