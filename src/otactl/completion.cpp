#include "otactl/completion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ota/base/text.hpp"
#include "otactl/call.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

using Kind = Parameter::Kind;

constexpr auto kLongestQuestion = std::chrono::seconds{2};

bool is_named(const Parameter& parameter) {
  return parameter.kind != Kind::argument && parameter.kind != Kind::arguments;
}

/// The option that `word` names, of the verb or of all.
const Parameter* find_option(const Verb* verb, std::string_view word) {
  const auto fits = [&](const Parameter& parameter) {
    if (!is_named(parameter)) return false;
    return word == "--" + std::string(parameter.name) ||
           (parameter.letter && word == std::string{'-', parameter.letter});
  };
  const auto in = [&](const std::vector<Parameter>& parameters) -> const Parameter* {
    const auto found = std::find_if(parameters.begin(), parameters.end(), fits);
    return found == parameters.end() ? nullptr : &*found;
  };
  if (const auto* common = in(common_options())) return common;
  return verb ? in(verb->parameters) : nullptr;
}

const Noun* find_noun(std::string_view name) {
  for (const auto& noun : nouns())
    if (!noun.name.empty() && noun.name == name) return &noun;
  return nullptr;
}

const Verb* find_verb(const Noun& noun, std::string_view name) {
  for (const auto& verb : noun.verbs)
    if (verb.name == name) return &verb;
  return nullptr;
}

std::vector<std::string> first_words() {
  std::vector<std::string> words;
  for (const auto& noun : nouns()) {
    if (!noun.name.empty()) words.emplace_back(noun.name);
    if (!noun.name.empty()) continue;
    for (const auto& verb : noun.verbs)
      if (!verb.help.empty()) words.emplace_back(verb.name);
  }
  return words;
}

void add_options(std::vector<std::string>& words, const std::vector<Parameter>& parameters) {
  for (const auto& parameter : parameters)
    if (is_named(parameter)) words.push_back("--" + std::string(parameter.name));
}

/// The argument at that position; the last may be repeated.
const Parameter* argument_at(const Verb& verb, std::size_t position) {
  const Parameter* last = nullptr;
  for (const auto& parameter : verb.parameters) {
    if (is_named(parameter)) continue;
    last = &parameter;
    if (parameter.kind == Kind::arguments || position == 0) return last;
    --position;
  }
  return nullptr;
}

/// What the words before the last are: noun, verb, how many arguments.
struct Before {
  const Noun* noun = nullptr;
  const Verb* verb = nullptr;
  std::size_t arguments = 0;
  const Parameter* open = nullptr;  ///< an option whose value comes next
};

Before read_before(const std::vector<std::string>& words, Place& place) {
  Before before;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const auto& word = words[i];
    if (before.open) {
      place.options.emplace_back(before.open->name, word);
      before.open = nullptr;
    } else if (word.starts_with('-')) {
      const auto* option = find_option(before.verb, word);
      if (option && option->kind != Kind::flag) before.open = option;
    } else if (before.verb) {
      ++before.arguments;
    } else if (before.noun) {
      before.verb = find_verb(*before.noun, word);
    } else if (before.noun = find_noun(word); !before.noun) {
      for (const auto& noun : nouns())
        if (noun.name.empty()) before.verb = find_verb(noun, word);
    }
  }
  return before;
}

/// Asks the server.
class Asker {
 public:
  Asker(const Place& place, std::string prefix) : call_(values_of(place), {}), prefix_(std::move(prefix)) {}

  std::set<std::string> candidates(Completes what) {
    switch (what) {
      case Completes::device:
        return devices();
      case Completes::rollout:
        return items("/rollouts", {{"limit", "50"}}, "/rollout_id");
      case Completes::task:
        return items("/tasks", {{"limit", "50"}}, "/task_id");
      case Completes::channel:
        return items("/channels", {}, "/name");
      case Completes::version:
        return items("/firmware", {{"limit", "1000"}}, "/version");
      case Completes::hardware:
        return items("/firmware", {{"limit", "1000"}}, "/hardware");
      case Completes::webhook:
        return items("/webhooks", {}, "/id");
      case Completes::key:
        return items("/keys", {}, "/name");
      case Completes::context: {
        std::set<std::string> names;
        for (const auto& context : read_contexts(contexts_file()).all) names.insert(context.name);
        return names;
      }
      case Completes::file:
        return {":file"};
      case Completes::nothing:
        break;
    }
    return {};
  }

 private:
  static Values values_of(const Place& place) {
    Values values;
    for (const auto& [name, value] : place.options) values[name].push_back(value);
    return values;
  }

  /// By a range of ids, which has an index: `{` is behind all characters of an id.
  std::set<std::string> devices() {
    Query query{{"limit", "50"}};
    if (!prefix_.empty()) {
      query.emplace_back("where", "id>= " + prefix_);
      query.emplace_back("where", "id< " + prefix_ + "{");
    }
    return items("/devices", std::move(query), "/device_id");
  }

  std::set<std::string> items(const char* path, Query query, const char* pointer) {
    Request request;
    request.path = path;
    request.query = std::move(query);
    request.longest = kLongestQuestion;
    std::set<std::string> found;
    const auto page = call_.client().call(request).json();
    for (const auto& item : at(page, "/items"))
      if (const auto& name = at(item, pointer); name.is_primitive() && !name.is_null()) found.insert(as_text(name, {}));
    return found;
  }

  Call call_;
  const std::string prefix_;
};

int print_script(Call& call) {
  write_out(completion_script(call.argument("SHELL")));
  return kDone;
}

}  // namespace

Place place_of(const std::vector<std::string>& words) {
  Place place;
  const auto before = read_before(words, place);
  place.verb = before.verb;
  const auto last = words.empty() ? std::string() : words.back();
  if (before.open) {
    place.parameter = before.open;
  } else if (last.starts_with('-')) {
    add_options(place.words, before.verb ? before.verb->parameters : std::vector<Parameter>());
    add_options(place.words, common_options());
    return place;
  } else if (before.verb) {
    place.parameter = argument_at(*before.verb, before.arguments);
  } else if (before.noun) {
    for (const auto& verb : before.noun->verbs) place.words.emplace_back(verb.name);
  } else {
    place.words = first_words();
  }
  if (place.parameter) place.words = parts_of(place.parameter->words, '|');
  return place;
}

int complete(const std::vector<std::string>& words) {
  const auto place = place_of(words);
  const auto prefix = words.empty() ? std::string() : words.back();
  std::set<std::string> found(place.words.begin(), place.words.end());
  try {
    if (found.empty() && place.parameter) found = Asker(place, prefix).candidates(place.parameter->completes);
    std::string text;
    for (const auto& candidate : found)
      if (candidate.starts_with(prefix) || candidate == ":file") text += candidate + "\n";
    write_out(text);
  } catch (const std::exception&) {
    return kRefused;  // no word is better than an error between the words
  }
  return kDone;
}

Verb completion_verb() {
  return {"completion",
          "Print a script for the shell that completes verbs, options, ids, versions and channels",
          {word("SHELL", "bash|zsh|fish", "The shell")},
          print_script,
          "  bash: source <(otactl completion bash)\n"
          "  zsh:  source <(otactl completion zsh), after compinit\n"
          "  fish: otactl completion fish | source"};
}

}  // namespace ota::otactl
