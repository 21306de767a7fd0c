#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/http/message.hpp"

namespace ota::ddi {

enum class Resource : std::uint8_t {
  poll,
  config_data,
  deployment,
  deployment_feedback,
  cancel,
  cancel_feedback,
  artifacts,
  artifact,
  artifact_md5,
  installed,       ///< GET installedBase/{action}
  installed_base,  ///< PUT installedBase
  confirmation_base,
  confirmation,
  confirmation_feedback,
  activate_auto_confirm,
  deactivate_auto_confirm
};

/// `/{tenant}/controller/v1/{controllerId}` and what follows it.
struct Path {
  std::string tenant;      ///< as the client spells it
  std::string controller;  ///< decoded, not checked
  Resource resource = Resource::poll;
  std::int64_t number = 0;  ///< of an action or a module; -1: no number that one can have
  std::string file;         ///< of an artifact, decoded, without `.MD5SUM`
};

bool is_ddi_path(std::string_view path);
/// Nothing for a path that hawkBit doesn't have.
std::optional<Path> parse_path(std::string_view path);

/// The methods of a resource, for `Allow`.
std::string_view allowed_methods(Resource resource);
bool allows(Resource resource, http::Method method);

}  // namespace ota::ddi
