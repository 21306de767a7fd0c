#include "otactl/cli.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <deque>
#include <iostream>

#include "ota/base/text.hpp"
#include "otactl/manual.hpp"

namespace ota::otactl {
namespace {

using Kind = Parameter::Kind;

/// Lines of at most 80 columns.
std::string wrapped(std::string_view text) {
  constexpr std::size_t kHelpColumns = 80;
  std::string lines;
  std::size_t column = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(" \n"), text.size());
    if (column + end > kHelpColumns && column > 0) {
      lines.back() = '\n';
      column = 0;
    }
    lines += text.substr(0, std::min(end + 1, text.size()));
    column = end < text.size() && text[end] == '\n' ? 0 : column + end + 1;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Options by their names, and where their values go.
class CommandLine {
 public:
  CommandLine() {
    app_.set_version_flag("--version", "otactl " OTAD_VERSION, "Print the version and exit");
    app_.get_formatter()->column_width(34);
    app_.footer(wrapped(footer()));
    app_.fallthrough();
    for (const auto& parameter : common_options()) add(app_, parameter);
    for (const auto& noun : nouns()) {
      auto* at = noun.name.empty() ? &app_ : app_.add_subcommand(std::string(noun.name), std::string(noun.help));
      at->fallthrough();
      if (at != &app_) at->footer("");
      for (const auto& verb : noun.verbs) add(*at, verb);
    }
  }

  std::variant<Parsed, int> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {
      return app_.exit(asked, std::cout, std::cerr);
    } catch (const CLI::ParseError& wrong) {
      if (!print_suggestions()) std::cerr << "otactl: " << wrong.what() << "\nRun with --help for more information.\n";
      return kUsage;
    }
    for (const auto& [command, verb] : verbs_)
      if (command->parsed()) return Parsed{verb, values()};
    std::cerr << deepest()->help();
    return kUsage;
  }

 private:
  struct Place {
    CLI::Option* option;
    const Parameter* parameter;
    std::vector<std::string> values{};
  };

  void add(CLI::App& at, const Verb& verb) {
    auto* command = at.add_subcommand(std::string(verb.name), std::string(verb.help));
    command->fallthrough();
    command->footer(std::string(verb.more));
    if (verb.help.empty()) command->group("");
    for (const auto& parameter : verb.parameters) add(*command, parameter);
    verbs_.emplace_back(command, &verb);
  }

  void add(CLI::App& at, const Parameter& parameter) {
    auto& place = places_.emplace_back(Place{nullptr, &parameter});
    const bool named = parameter.kind != Kind::argument && parameter.kind != Kind::arguments;
    auto name = std::string(parameter.name);
    if (named) name = (parameter.letter ? fmt::format("-{},", parameter.letter) : "") + "--" + name;
    const std::string help(parameter.help);
    if (parameter.kind == Kind::flag) {
      place.option = at.add_flag(name, help);
      return;
    }
    place.option = at.add_option(name, place.values, help)->option_text(std::string(parameter.value));
    if (parameter.kind != Kind::arguments) place.option->allow_extra_args(false);
    if (parameter.kind == Kind::argument) place.option->expected(1);
    if (parameter.kind == Kind::option) place.option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (!parameter.words.empty()) {
      place.option->check(CLI::IsMember(parts_of(parameter.words, '|')));
      place.option->option_text(std::string(parameter.words));
    }
    if (parameter.needed) place.option->required();
    if (parameter.kind == Kind::arguments) place.option->option_text("...");
  }

  Values values() const {
    Values found;
    for (const auto& place : places_) {
      if (place.option->count() == 0) continue;
      auto& values = found[std::string(place.parameter->name)];
      values = place.parameter->kind == Kind::flag ? std::vector<std::string>{""} : place.values;
    }
    return found;
  }

  const CLI::App* deepest() const {
    const CLI::App* at = &app_;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return at;
  }

  /// For each unknown argument: the verb or option with the nearest name, or all verbs. False if there is none.
  bool print_suggestions() const {
    const auto words = app_.remaining(true);
    if (words.empty()) return false;
    std::vector<std::string> verbs;
    std::vector<std::string> known;
    for (const auto* below : deepest()->get_subcommands({}))
      if (!below->get_group().empty()) verbs.push_back(below->get_name());
    for (const auto* level = deepest(); level; level = level->get_parent())
      for (const auto* option : level->get_options())
        for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    known.insert(known.end(), verbs.begin(), verbs.end());
    const std::vector<std::string_view> names(known.begin(), known.end());
    const auto& word = words.front();
    const auto meant = closest(word, names);
    const auto hint = !meant.empty()  ? fmt::format("did you mean {}?", meant)
                      : verbs.empty() ? std::string("run with --help for more information")
                                      : fmt::format("known are {}", fmt::join(verbs, ", "));
    std::cerr << fmt::format("otactl: unknown argument {}; {}\n", printable(word), hint);
    return true;
  }

  CLI::App app_{std::string(about()), "otactl"};
  std::deque<Place> places_;
  std::vector<std::pair<CLI::App*, const Verb*>> verbs_;
};

}  // namespace

std::variant<Parsed, int> parse(int argc, const char* const* argv) { return CommandLine().parse(argc, argv); }

}  // namespace ota::otactl
