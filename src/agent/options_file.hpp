// The file of options: TOML.
#pragma once

#include <CLI/CLI.hpp>
#include <iosfwd>
#include <string>
#include <vector>

namespace ota::agent {

/// Reads the options of `app` for CLI11: each key is an option's long name with `_` for `-`. Throws CLI::ConfigError
/// with the line where the file is no TOML, or a key is no option or has a value that is neither text, number, flag nor
/// a list of these.
class OptionsFile final : public CLI::Config {
 public:
  explicit OptionsFile(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override;
  /// Not used: the sample is a file of its own.
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

 private:
  const CLI::App& app_;
};

}  // namespace ota::agent
