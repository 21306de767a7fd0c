#include "api/json_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ota::api {
namespace {

/// Most texts are written as they are.
bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

void JsonText::start(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

void JsonText::put(std::string_view name, std::string_view text) {
  if (!plain(text)) {
    const nlohmann::json value(text);
    return put_raw(name, value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  start(name);
  text_ += '"';
  text_ += text;
  text_ += '"';
}

void JsonText::put_raw(std::string_view name, std::string_view json) {
  start(name);
  text_ += json;
}

}  // namespace ota::api
