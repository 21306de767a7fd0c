// otactl context: the servers that are known by name.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "ota/base/file.hpp"
#include "ota/base/text.hpp"
#include "otactl/call.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/table.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 64;

void check_name(const std::string& name) {
  const auto fits = [](char c) {
    return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '-' || c == '_';
  };
  if (name.empty() || name.size() > kLongestName || !std::all_of(name.begin(), name.end(), fits))
    throw Failure(kUsage, "a context's name must be 1 to 64 of A-Z a-z 0-9 _ -");
}

std::string absolute(const std::string& file) {
  if (file.empty()) return file;
  std::error_code error;
  const auto path = fs::absolute(file, error);
  if (error || !fs::exists(path, error)) throw Failure(kUsage, fmt::format("there is no file {}", printable(file)));
  return path.string();
}

/// Takes a key from standard input into a file beside the contexts.
std::string keep_key(const std::string& name) {
  std::string key;
  std::getline(std::cin, key);
  const auto text = std::string(trim(key, " \t\r"));
  if (text.empty()) throw Failure(kUsage, "standard input has no key: otad keys add prints one");
  const auto file = config_folder() / (name + ".key");
  std::error_code error;
  if (fs::create_directories(file.parent_path(), error))
    fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  if (auto written = write_durably(file, text + "\n", 0600); !written) throw Failure(kRefused, written.error().message);
  read_key(file.string());
  return file.string();
}

int add_context(Call& call) {
  const auto name = call.argument("NAME");
  check_name(name);
  Context context{name, call.argument("url"), call.text("key-file").value_or(""), ""};
  check_url(context.url);
  context.ca_file = absolute(call.text("ca-file").value_or(""));
  context.key_file = context.key_file == "-" ? keep_key(name) : absolute(context.key_file);
  if (!context.key_file.empty()) read_key(context.key_file);
  auto contexts = read_contexts(contexts_file());
  std::erase_if(contexts.all, [&](const auto& one) { return one.name == name; });
  contexts.all.push_back(std::move(context));
  if (contexts.current.empty()) contexts.current = name;
  write_contexts(contexts_file(), contexts);
  write_out(fmt::format("context {} is in {}{}\n", name, printable(contexts_file().string()),
                        contexts.current == name ? ", and in use" : ""));
  return kDone;
}

int use_context(Call& call) {
  const auto name = call.argument("NAME");
  auto contexts = read_contexts(contexts_file());
  if (!contexts.find(name))
    throw Failure(kUsage, fmt::format("there is no context {}; otactl context list shows those that there are",
                                      printable(name)));
  contexts.current = name;
  write_contexts(contexts_file(), contexts);
  write_out(fmt::format("context {} is in use\n", name));
  return kDone;
}

int list_contexts(Call& call) {
  const auto contexts = read_contexts(contexts_file());
  Table table({{"CONTEXT"}, {"IN USE"}, {"URL"}, {"KEY FILE"}, {"CA FILE"}});
  auto all = Json::array();
  for (const auto& one : contexts.all) {
    const bool current = one.name == contexts.current;
    const auto shown = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
    table.add({one.name, current ? "yes" : "-", shown(one.url), shown(one.key_file), shown(one.ca_file)});
    all.push_back({{"name", one.name}, {"current", current}, {"url", one.url}, {"key_file", one.key_file},
                   {"ca_file", one.ca_file}});
  }
  write_out(call.json() ? all.dump() + "\n" : table.text(call.columns(), call.terminal().style));
  return kDone;
}

}  // namespace

Noun context_noun() {
  const auto name = argument("NAME", "Name of the context", Completes::context);
  return {"context",
          "Servers by name",
          {
              {"list", "List contexts", {}, list_contexts},
              {"use", "Use a context from now on", {name}, use_context},
              {"add", "Add or replace a context: --url, and --key-file and --ca-file where they are needed", {name},
               add_context,
               "--key-file - reads the key from standard input into a file that only its user can read:\n"
               "  sudo -u otad otad keys add --name me --role admin | otactl context add gw --url http://gw:8080 "
               "--key-file -"},
          }};
}

}  // namespace ota::otactl
