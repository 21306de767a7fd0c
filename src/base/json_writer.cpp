#include "ota/base/json_writer.hpp"

#include "ota/base/text.hpp"

namespace ota {

void JsonWriter::start(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

void JsonWriter::put(std::string_view name, std::string_view text) {
  start(name);
  append_json_string(text_, text);
}

void JsonWriter::put_raw(std::string_view name, std::string_view json) {
  start(name);
  text_ += json;
}

}  // namespace ota
