#include "otactl/manual.hpp"

#include <fmt/format.h>

#include "otactl/verb.hpp"

namespace ota::otactl {
namespace {

using Kind = Parameter::Kind;

/// Text for man(7): its own characters escaped, and none that begins a line as a request.
std::string roff(std::string_view text) {
  std::string out;
  bool begin = true;
  for (const char c : text) {
    if (begin && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    begin = c == '\n';
  }
  return out;
}

/// `[--hardware HARDWARE]`
std::string usage_of(const Parameter& parameter) {
  std::string text;
  switch (parameter.kind) {
    case Kind::argument:
      text = parameter.words.empty() ? std::string(parameter.name) : std::string(parameter.words);
      break;
    case Kind::arguments:
      text = fmt::format("{}...", parameter.name);
      break;
    case Kind::flag:
      text = fmt::format("--{}", parameter.name);
      break;
    case Kind::option:
    case Kind::repeated:
      text = fmt::format("--{} {}", parameter.name, parameter.value);
  }
  if (!parameter.needed) text = "[" + text + "]";
  return parameter.kind == Kind::repeated ? text + "..." : text;
}

std::string name_of(const Parameter& parameter) {
  auto text = usage_of(parameter);
  if (text.starts_with('[')) text = text.substr(1, text.rfind(']') - 1);
  return parameter.letter ? fmt::format("-{}, {}", parameter.letter, text) : text;
}

void add_verb(std::string& page, std::string_view noun, const Verb& verb) {
  auto usage = std::string(noun) + (noun.empty() ? "" : " ") + std::string(verb.name);
  page += ".TP\n.B " + roff(usage);
  for (const auto& parameter : verb.parameters) page += " " + roff(usage_of(parameter));
  page += "\n" + roff(verb.help) + ".\n";
  if (!verb.more.empty()) page += roff(verb.more) + "\n";
  if (verb.parameters.empty()) return;
  page += ".RS\n";
  for (const auto& parameter : verb.parameters)
    page += ".TP\n.I " + roff(name_of(parameter)) + "\n" + roff(parameter.help) + "\n";
  page += ".RE\n";
}

}  // namespace

std::string_view about() { return "Update device fleets: rollouts, devices and firmware of an otad server."; }

std::string_view footer() {
  return "The server is, in this order: --url; --context; OTACTL_URL, OTACTL_KEY_FILE and OTACTL_CA_FILE; the context "
         "chosen by otactl context use, in ~/.config/otactl/config.toml; http://127.0.0.1:8080. A context's key is "
         "sent to its own URL only.\n\n"
         "Tables fit the terminal. There are no colours without one, nor with NO_COLOR. -o json prints the answer of "
         "the REST interface unchanged.\n\n"
         "Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 with --watch: it halted, failed, was cancelled or "
         "expired; 4 the server can't be reached or doesn't allow it; 124 --timeout; 130 interrupted.";
}

std::string man_page() {
  auto page = fmt::format(".TH OTACTL 1 \"\" \"otad {}\" \"User Commands\"\n", OTAD_VERSION);
  page += ".SH NAME\notactl \\- update device fleets of an otad server\n";
  page += ".SH SYNOPSIS\n.B otactl\n[options] " + roff("VERB ...") + "\n";
  page += ".SH DESCRIPTION\n" + roff(about()) + "\n.PP\n";
  std::string paragraphs = roff(footer());
  for (std::size_t at = 0; (at = paragraphs.find("\n\n", at)) != std::string::npos; at += 5)
    paragraphs.replace(at, 2, "\n.PP\n");
  page += paragraphs + "\n.SH OPTIONS\n";
  for (const auto& parameter : common_options())
    page += ".TP\n.B " + roff(name_of(parameter)) + "\n" + roff(parameter.help) + "\n";
  page += ".SH COMMANDS\n";
  for (const auto& noun : nouns()) {
    if (!noun.name.empty()) page += ".SS " + roff(noun.help) + "\n";
    for (const auto& verb : noun.verbs)
      if (!verb.help.empty()) add_verb(page, noun.name, verb);
  }
  page += ".SH FILES\n.TP\n.I ~/.config/otactl/config.toml\nContexts: url, key_file and ca_file of each.\n";
  page += ".SH SEE ALSO\n" + roff("The documents of otad: otactl.md, rest.md and fleet.md.") + "\n";
  return page;
}

}  // namespace ota::otactl
