#include "otactl/terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cwchar>

#include "ota/base/text.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kLeastColumns = 20;
constexpr std::size_t kUsualColumns = 80;
constexpr std::size_t kUsualRows = 24;

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::green:
      return "32";
    case Colour::yellow:
      return "33";
    case Colour::red:
      return "31";
    case Colour::bold:
      return "1";
    case Colour::faint:
      return "2";
    case Colour::none:
      break;
  }
  return "";
}

/// Bytes of the character that begins with `first`, in UTF-8.
std::size_t bytes_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/// One character's columns. Precondition: UTF-8.
std::size_t columns_of(std::string_view character) {
  if (character.size() == 1) return 1;
  const auto first = static_cast<unsigned char>(character[0]);
  wchar_t code = first & (0xff >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i)
    code = static_cast<wchar_t>((code << 6) | (static_cast<unsigned char>(character[i]) & 0x3f));
  const int columns = ::wcwidth(code);
  return columns < 0 ? 1 : static_cast<std::size_t>(columns);  // unknown to the C locale
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

winsize window_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

}  // namespace

std::string painted(const Style& style, Colour colour, std::string_view text) {
  if (!style.colour || colour == Colour::none || text.empty()) return std::string(text);
  return "\x1b[" + std::string(code_of(colour)) + "m" + std::string(text) + "\x1b[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto bytes = std::min(bytes_of(static_cast<unsigned char>(text.front())), text.size());
    width += columns_of(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return width;
}

std::string cut(std::string text, std::size_t columns, const Style& style) {
  if (width_of(text) <= columns) return text;
  if (columns == 0) return {};
  std::size_t kept = 0;
  std::size_t width = 0;
  while (kept < text.size()) {
    const auto bytes = std::min(bytes_of(static_cast<unsigned char>(text[kept])), text.size() - kept);
    const auto more = columns_of(std::string_view(text).substr(kept, bytes));
    if (width + more > columns - 1) break;
    width += more;
    kept += bytes;
  }
  text.resize(kept);
  return text + (style.utf8 ? "…" : "~");
}

std::size_t Terminal::columns() const {
  if (!out) return 0;
  const auto size = window_size();
  return size.ws_col == 0 ? kUsualColumns : std::max<std::size_t>(size.ws_col, kLeastColumns);
}

std::size_t Terminal::rows() const {
  const auto size = window_size();
  return size.ws_row == 0 ? kUsualRows : size.ws_row;
}

Terminal find_terminal() {
  Terminal terminal;
  terminal.in = ::isatty(STDIN_FILENO) == 1;
  terminal.out = ::isatty(STDOUT_FILENO) == 1;
  terminal.err = ::isatty(STDERR_FILENO) == 1;
  const char* kind = std::getenv("TERM");
  terminal.dumb = !kind || std::string_view(kind) == "dumb";
  std::setlocale(LC_CTYPE, "");
  terminal.style.utf8 = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  terminal.style.colour = terminal.draws() && !is_set("NO_COLOR");
  return terminal;
}

}  // namespace ota::otactl
