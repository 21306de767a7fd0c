// What hawkBit's clients send: bodies and paths.
#include <string_view>

#include "ddi/decode.hpp"
#include "ddi/path.hpp"
#include "fuzz/target.hpp"

namespace ota::fuzz {

void ddi_body(std::string_view bytes) {
  constexpr ActionId kAction = 11;
  switch (first_byte(bytes) % 4) {
    case 0: {
      const auto report = ddi::decode_feedback(bytes, kAction);
      require(!report || report->action == kAction, "a report is about the action of its path");
      require(!report || report->text.size() <= ActionReport::kMaxText, "messages are cut");
      require(report || report.error().code == Errc::bad_message, "a refusal is the device's fault");
      break;
    }
    case 1: {
      const auto report = ddi::decode_config(bytes);
      if (!report) break;
      require(report->values.size() <= AttributeReport::kMost, "attributes have a bound");
      for (const auto& [key, value] : report->values) require(fit_attribute(key, value), "each attribute fits");
      break;
    }
    case 2:
      static_cast<void>(ddi::decode_installed(bytes));
      break;
    default: {
      const auto path = ddi::parse_path(bytes);
      require(!path || ddi::is_ddi_path(bytes), "what is parsed is a path of the interface");
      require(!path || path->number >= -1, "numbers are ids or none");
    }
  }
}

}  // namespace ota::fuzz
