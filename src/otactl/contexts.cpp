#include "otactl/contexts.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <toml++/toml.h>

#include "ota/base/file.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "otactl/failure.hpp"
#include "otactl/terminal.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultUrl = "http://127.0.0.1:8080";
constexpr std::size_t kLargestFile = 1 << 20;
constexpr std::size_t kLongestKey = 4096;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

[[noreturn]] void refuse(const fs::path& file, const toml::node& at, std::string_view what) {
  throw Failure(kUsage, fmt::format("{}:{}: {}", printable(file.string()), at.source().begin.line, what));
}

std::string text_of(const fs::path& file, const toml::key& key, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  refuse(file, node, fmt::format("{} must be a text", printable(key.str())));
}

Context context_of(const fs::path& file, std::string name, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) refuse(file, node, fmt::format("contexts.{} must be a table", printable(name)));
  Context context;
  context.name = std::move(name);
  for (const auto& [key, value] : *table) {
    auto text = text_of(file, key, value);
    if (key == "url")
      context.url = std::move(text);
    else if (key == "key_file")
      context.key_file = std::move(text);
    else if (key == "ca_file")
      context.ca_file = std::move(text);
    else
      refuse(file, value, fmt::format("unknown key {}; known are url, key_file and ca_file", printable(key.str())));
  }
  if (context.url.empty()) refuse(file, node, fmt::format("contexts.{} has no url", printable(context.name)));
  return context;
}

Named named_by(const Context& context) { return {context.url, context.key_file, context.ca_file}; }

}  // namespace

const Context* Contexts::find(std::string_view name) const {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

fs::path config_folder() {
  if (const auto config = environment("XDG_CONFIG_HOME"); config.starts_with('/')) return fs::path(config) / "otactl";
  return fs::path(environment("HOME")) / ".config/otactl";
}

Contexts read_contexts(const fs::path& file) {
  Contexts contexts;
  const auto text = read_file(file, kLargestFile);
  if (!text && text.error().code == Errc::not_found) return contexts;
  if (!text) throw Failure(kUsage, text.error().message);
  try {
    const auto table = toml::parse(*text, file.string());
    for (const auto& [key, node] : table) {
      if (key == "current") {
        contexts.current = text_of(file, key, node);
      } else if (key == "contexts" && node.is_table()) {
        for (const auto& [name, context] : *node.as_table())
          contexts.all.push_back(context_of(file, std::string(name.str()), context));
      } else {
        refuse(file, node, fmt::format("unknown key {}; known are current and [contexts.NAME]", printable(key.str())));
      }
    }
  } catch (const toml::parse_error& error) {
    throw Failure(kUsage, fmt::format("{}:{}: {}", printable(file.string()), error.source().begin.line,
                                      printable(error.description())));
  }
  return contexts;
}

void write_contexts(const fs::path& file, const Contexts& contexts) {
  toml::table all;
  for (const auto& one : contexts.all) {
    toml::table table{{"url", one.url}};
    if (!one.key_file.empty()) table.insert("key_file", one.key_file);
    if (!one.ca_file.empty()) table.insert("ca_file", one.ca_file);
    all.insert(one.name, std::move(table));
  }
  const toml::table whole{{"current", contexts.current}, {"contexts", std::move(all)}};
  std::ostringstream text;
  text << whole << '\n';
  std::error_code error;
  const bool fresh = fs::create_directories(file.parent_path(), error);
  if (error)
    throw Failure(kRefused,
                  fmt::format("can't create {}: {}", printable(file.parent_path().string()), error.message()));
  if (fresh) fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  if (auto written = write_durably(file, text.str(), 0600); !written) throw Failure(kRefused, written.error().message);
}

void check_url(const std::string& url) {
  const auto parsed = parse_url(url);
  if (parsed && (parsed->scheme == "http" || parsed->scheme == "https") &&
      parsed->target.find_first_of("?#") == std::string_view::npos)
    return;
  throw Failure(kUsage, fmt::format("the server's URL '{}' must be http://HOST:PORT or https://HOST:PORT",
                                    printable(url)));
}

Server resolve(const Contexts& contexts, const std::optional<std::string>& context, const Named& environment,
               const Named& options) {
  const auto& name = context ? *context : contexts.current;
  const auto* named = contexts.find(name);
  if (!named && !name.empty())
    throw Failure(kUsage, fmt::format("there is no context {}; otactl context list shows those that there are",
                                      printable(name)));
  Server server;
  auto base = named ? named_by(*named) : Named{};
  if (named) server.context = named->name;
  // A context that is named on the command line counts before the environment's server.
  const bool chosen = context.has_value();
  const auto& other = chosen ? Named{} : environment;
  if (!options.url.empty() || !other.url.empty()) {
    base = {};
    server.context.clear();
  }
  const auto first = [](const std::string& a, const std::string& b, const std::string& c) {
    return !a.empty() ? a : !b.empty() ? b : c;
  };
  server.url = first(options.url, other.url, base.url);
  server.key_file = first(options.key_file, other.key_file, base.key_file);
  server.ca_file = first(options.ca_file, other.ca_file, base.ca_file);
  if (server.url.empty()) server.url = kDefaultUrl;
  check_url(server.url);
  while (server.url.ends_with('/')) server.url.pop_back();
  return server;
}

std::string read_key(const std::string& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) == 0 && (about.st_mode & 0077) != 0)
    throw Failure(kUsage, fmt::format("the key file {} can be read by others: chmod 600 it", printable(file)));
  const auto text = read_file(file, kLongestKey);
  if (!text) throw Failure(kUsage, fmt::format("the key file can't be used: {}", text.error().message));
  const auto key = std::string(trim(text->substr(0, text->find('\n')), " \t\r"));
  if (key.empty()) throw Failure(kUsage, fmt::format("the key file {} has no key in its first line", printable(file)));
  // It becomes a header's value.
  const auto bad = [](unsigned char c) { return c <= 0x20 || c >= 0x7f; };
  if (std::any_of(key.begin(), key.end(), bad))
    throw Failure(kUsage, fmt::format("the first line of the key file {} is no key: otad keys add prints one",
                                      printable(file)));
  return key;
}

}  // namespace ota::otactl
