// What otactl can do, as data: parsing, help, man page and completion are made from these tables (nouns.cpp).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ota::otactl {

class Call;

/// What the values of a parameter are, for completion.
enum class Completes : std::uint8_t {
  nothing, file, device, rollout, task, channel, version, hardware, webhook, key, context,
};

struct Parameter {
  enum class Kind : std::uint8_t {
    argument,   ///< `DEVICE`
    arguments,  ///< `DEVICE...`
    option,     ///< `--hardware H`
    repeated,   ///< an option that may be given more than once
    flag,
  };
  Kind kind = Kind::flag;
  std::string_view name;   ///< of an option without its dashes
  std::string_view value;  ///< an option's placeholder
  std::string_view help;
  Completes completes = Completes::nothing;
  std::string_view words{};  ///< `a|b`: nothing else is accepted
  bool needed = false;
  char letter = 0;  ///< an option's short name
};

constexpr Parameter argument(std::string_view name, std::string_view help,
                             Completes completes = Completes::nothing) {
  return {Parameter::Kind::argument, name, {}, help, completes, {}, true};
}
constexpr Parameter arguments(std::string_view name, std::string_view help,
                              Completes completes = Completes::nothing) {
  return {Parameter::Kind::arguments, name, {}, help, completes, {}, true};
}
constexpr Parameter optional_argument(std::string_view name, std::string_view help,
                                      Completes completes = Completes::nothing) {
  return {Parameter::Kind::argument, name, {}, help, completes, {}, false};
}
constexpr Parameter option(std::string_view name, std::string_view value, std::string_view help,
                           Completes completes = Completes::nothing) {
  return {Parameter::Kind::option, name, value, help, completes};
}
constexpr Parameter needed(Parameter parameter) {
  parameter.needed = true;
  return parameter;
}
constexpr Parameter with_letter(Parameter parameter, char letter) {
  parameter.letter = letter;
  return parameter;
}
constexpr Parameter repeated(std::string_view name, std::string_view value, std::string_view help) {
  return {Parameter::Kind::repeated, name, value, help};
}
/// An option with one of these words, `a|b|c`.
constexpr Parameter choice(std::string_view name, std::string_view words, std::string_view help) {
  return {Parameter::Kind::option, name, words, help, Completes::nothing, words};
}
/// An argument of that kind.
constexpr Parameter word(std::string_view name, std::string_view words, std::string_view help) {
  return {Parameter::Kind::argument, name, {}, help, Completes::nothing, words, true};
}
constexpr Parameter flag(std::string_view name, std::string_view help) {
  return {Parameter::Kind::flag, name, {}, help};
}

// Parameters that several verbs have.
inline constexpr Parameter kYes = flag("yes", "Don't ask; needed without a terminal");
inline constexpr Parameter kWatch = flag("watch", "Show the progress until the end (exit status 3: a bad one)");
inline constexpr Parameter kTimeout =
    option("timeout", "TIME", "With --watch: exit with status 124 after that time, such as 2h");
inline constexpr Parameter kLimit =
    option("limit", "N", "At most so many rows (default: 100); with -o json at most 1000");
inline constexpr Parameter kCursor = option("cursor", "CURSOR", "With -o json: the page behind that of this \"next\"");
inline constexpr Parameter kWhere = repeated(
    "where", "CONDITION", "Condition such as 'version < 1.5.0' or tag.site=berlin; may be repeated, all must hold");
inline constexpr Parameter kSort = option("sort", "FIELD", "Order by this field; -FIELD: descending");
inline constexpr Parameter kHardware =
    option("hardware", "HARDWARE", "Hardware type; needed where the version exists for several", Completes::hardware);

struct Verb {
  std::string_view name;
  std::string_view help;
  std::vector<Parameter> parameters;
  int (*run)(Call& call);  ///< the exit status; throws Failure
  std::string_view more{};  ///< further text of its help
};

/// Verbs of one subject. Those without a name stand for themselves: `otactl status`.
struct Noun {
  std::string_view name;
  std::string_view help;
  std::vector<Verb> verbs;
};

/// All of them, in the order of the help.
const std::vector<Noun>& nouns();

/// Options of all verbs.
const std::vector<Parameter>& common_options();

}  // namespace ota::otactl
