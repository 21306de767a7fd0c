// Which server is meant, with which key: contexts in a file, the environment, options (docs/otactl.md, Contexts).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ota::otactl {

struct Context {
  std::string name;
  std::string url;
  std::string key_file;  ///< may be empty, as `ca_file`
  std::string ca_file;
};

/// The file's content.
struct Contexts {
  std::string current;
  std::vector<Context> all;

  const Context* find(std::string_view name) const;
};

/// One source of a server's address. What it doesn't name is empty.
struct Named {
  std::string url;
  std::string key_file;
  std::string ca_file;
};

/// A server to call. `key`: the file's content, empty without a file.
struct Server {
  std::string url;  ///< without a slash at its end
  std::string key_file;
  std::string ca_file;
  std::string context;  ///< name, or empty
};

/// `$XDG_CONFIG_HOME/otactl` or `~/.config/otactl`.
std::filesystem::path config_folder();

/// No contexts where there is no such file. Failure names file, line and key.
Contexts read_contexts(const std::filesystem::path& file);
/// Whole or not at all, 0600, and its folder 0700.
void write_contexts(const std::filesystem::path& file, const Contexts& contexts);

/// The environment counts before the context, options before both. The key and CA of a context go with its own URL
/// only: no key is sent to a server that it wasn't named for. Failure for an unknown context or a bad URL.
Server resolve(const Contexts& contexts, const std::optional<std::string>& context, const Named& environment,
               const Named& options);

/// The first line of a file that only its user can read. Failure otherwise.
std::string read_key(const std::string& file);

/// Failure unless it is http:// or https:// with a host.
void check_url(const std::string& url);

}  // namespace ota::otactl
