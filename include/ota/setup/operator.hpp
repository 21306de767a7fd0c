// The operator's otactl: which context setup gives it, and whether it has that already.
#pragma once

#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/setup/machine.hpp"

namespace ota::setup {

struct OperatorContext {
  User user;
  std::string name;     ///< of the context
  std::string url;      ///< of REST
  std::string ca_file;  ///< on this machine
};

/// Its name is made of the machine's.
OperatorContext operator_context(const Machine& machine, const User& user, const std::string& url);

/// The files that `otactl context add` writes, as the machine calls them.
std::vector<std::string> files_of(const OperatorContext& context);

/// Whether the user's otactl has this context, and a key for it.
bool has_context(const Machine& machine, const OperatorContext& context);

}  // namespace ota::setup
