#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "app/commands.hpp"
#include "ota/base/json_writer.hpp"
#include "ota/simulate/run.hpp"

namespace ota::app {
namespace {

using simulate::Fleet;
using simulate::Outcome;
using simulate::Plan;
using simulate::Spread;
using simulate::Summary;

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

double percent_of(double devices, const Summary& summary) {
  return 100.0 * devices / static_cast<double>(summary.devices);
}

std::string row(const char* what, const Spread& spread, const char* format) {
  const auto number = [&](double value) { return fmt::format(fmt::runtime(format), value); };
  return fmt::format("  {:<26}{:>9}{:>9}{:>9}\n", what, number(spread.median), number(spread.p95),
                     number(spread.worst));
}

std::string readable(const Summary& summary, const Fleet& fleet, const Arguments& arguments) {
  const auto& harmed = summary.harmed;
  const Spread share{percent_of(harmed.median, summary), percent_of(harmed.p95, summary),
                     percent_of(harmed.worst, summary)};
  auto out = fmt::format("{} devices in {} group{}, {} runs, seed {}; failure budget {}\n\n", summary.devices,
                         fleet.groups.size(), fleet.groups.size() == 1 ? "" : "s", summary.runs, arguments.seed,
                         summary.budget);
  out += fmt::format("  {:<26}{:>9}{:>9}{:>9}\n", "", "median", "95 %", "worst");
  out += row("harmed, devices", harmed, "{:.0f}") + row("harmed, % of all", share, "{:.2f}");
  out += row("updated, devices", summary.healthy, "{:.0f}");
  if (summary.completed > 0) out += row("hours until completed", summary.hours_completed, "{:.1f}");
  if (summary.halted > 0) out += row("hours until halted", summary.hours_halted, "{:.1f}");
  out += fmt::format("\n{} runs completed, {} halted", summary.completed, summary.halted);
  const char* separator = " (";
  for (const auto& [reason, runs] : summary.reasons) {
    out += fmt::format("{}{}: {}", separator, reason, runs);
    separator = ", ";
  }
  out += summary.reasons.empty() ? "" : ")";
  return out + (summary.open > 0 ? fmt::format(", {} were still open after 120 days\n", summary.open) : "\n");
}

std::string number(double value) { return fmt::format("{:.4g}", value); }

std::string to_json(const Spread& spread) {
  JsonWriter json;
  json.put_raw("median", number(spread.median));
  json.put_raw("p95", number(spread.p95));
  json.put_raw("worst", number(spread.worst));
  return json.take();
}

std::string to_json(const Outcome& outcome, std::uint64_t seed) {
  JsonWriter json;
  json.put("seed", seed);
  json.put("state", to_string(outcome.state));
  outcome.reason.empty() ? json.put_null("reason") : json.put("reason", outcome.reason);
  json.put_raw("hours", number(static_cast<double>(outcome.ended.count()) / 3'600'000.0));
  json.put("harmed", outcome.harmed);
  json.put("passed", outcome.passed);
  json.put("healthy", outcome.healthy);
  json.put("budget", outcome.budget);
  return json.take();
}

std::string to_json(const Summary& summary, const std::vector<Outcome>& outcomes, std::uint64_t seed) {
  JsonWriter reasons;
  for (const auto& [reason, runs] : summary.reasons) reasons.put(reason, runs);
  std::string list;
  for (const auto& outcome : outcomes) list += (list.empty() ? "" : ",\n") + to_json(outcome, seed++);
  JsonWriter json;
  json.put("devices", summary.devices);
  json.put("runs", summary.runs);
  json.put("budget", summary.budget);
  json.put_raw("harmed", to_json(summary.harmed));
  json.put_raw("healthy", to_json(summary.healthy));
  json.put("completed", summary.completed);
  json.put_raw("hours_completed", summary.completed > 0 ? to_json(summary.hours_completed) : "null");
  json.put("halted", summary.halted);
  json.put_raw("hours_halted", summary.halted > 0 ? to_json(summary.hours_halted) : "null");
  json.put_raw("reasons", reasons.take());
  json.put("open", summary.open);
  json.put_raw("outcomes", "[" + list + "]");
  return json.take() + "\n";
}

}  // namespace

int simulate_rollout(const Arguments& arguments) {
  const auto fleet = simulate::read_fleet(text_of(arguments.fleet), arguments.fleet);
  if (!fleet) return complain(fleet.error().message, kBadSettings);
  const auto plan = simulate::read_plan(text_of(arguments.rollout), arguments.rollout);
  if (!plan) return complain(plan.error().message, kBadSettings);
  std::vector<Outcome> outcomes;
  for (std::int64_t i = 0; i < arguments.runs; ++i)
    outcomes.push_back(simulate::run(*fleet, *plan, arguments.seed + static_cast<std::uint64_t>(i)));
  const auto summary = simulate::summarize(*fleet, outcomes);
  std::cout << (arguments.json ? to_json(summary, outcomes, arguments.seed) : readable(summary, *fleet, arguments));
  return kStopped;
}

}  // namespace ota::app
