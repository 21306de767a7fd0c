#include "ota/setup/answers.hpp"

#include <fmt/format.h>

#include <toml++/toml.h>

#include "ota/base/file.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "setup/draft.hpp"

namespace ota::setup {
namespace {

constexpr std::size_t kLargestAnswers = 1 << 16;
constexpr std::size_t kMostNames = 50;

[[noreturn]] void refuse_at(const std::filesystem::path& file, const toml::node& at, const std::string& what) {
  refuse(Errc::malformed, fmt::format("{}:{}: {}", file.string(), at.source().begin.line, what));
}

std::string text_of(const std::filesystem::path& file, const toml::node& node, std::string_view key) {
  if (const auto* text = node.as_string()) return text->get();
  refuse_at(file, node, fmt::format("{} must be a text", key));
}

std::string host_of(const std::filesystem::path& file, const toml::node& node, std::string_view key) {
  auto text = text_of(file, node, key);
  if (!is_host(text)) refuse_at(file, node, fmt::format("{}: '{}' is neither a host name nor an address", key, text));
  return text;
}

Answers answers_of(const std::filesystem::path& file, const toml::table& table) {
  Answers answers;
  for (const auto& [key, node] : table) {
    if (key == "name") {
      answers.name = host_of(file, node, "name");
    } else if (key == "user") {
      answers.user = text_of(file, node, "user");
    } else if (key == "names") {
      const auto* names = node.as_array();
      if (!names || names->size() > kMostNames)
        refuse_at(file, node, fmt::format("names must be a list of at most {} host names and addresses", kMostNames));
      for (const auto& name : *names) answers.names.push_back(host_of(file, name, "names"));
    } else {
      const auto meant = closest(key.str(), {"name", "names", "user"});
      refuse_at(file, node, fmt::format("unknown key {}; {}", key.str(),
                                     meant.empty() ? "known are name, names and user" : fmt::format("did you mean {}?", meant)));
    }
  }
  return answers;
}

}  // namespace

Result<Answers> read_answers(const std::filesystem::path& file) {
  const auto text = read_file(file, kLargestAnswers);
  if (!text) return text.error();
  try {
    return answers_of(file, toml::parse(*text, file.string()));
  } catch (const toml::parse_error& error) {
    return fail(Errc::malformed, fmt::format("{}:{}: {}", file.string(), error.source().begin.line, error.description()));
  } catch (const Refused& refused) {
    return refused.error;
  }
}

}  // namespace ota::setup
