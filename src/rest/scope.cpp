#include "rest/scope.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rest/context.hpp"

namespace ota::rest {
namespace {

/// What the argument names and whether the scope has it.
struct Reached {
  std::string what;
  bool inside = true;
};

Reached device_reached(storage::ReadView& view, const Scope& scope, const std::string& id) {
  return {fmt::format("device {}", id), scope.has(view, id)};
}

Reached reached(storage::ReadView& view, const Scope& scope, Scoped scoped, const std::string& argument) {
  if (scoped == Scoped::device) return device_reached(view, scope, argument);
  if (scoped == Scoped::task) {
    const auto id = TaskId::parse(argument);
    const auto task = id ? view.tasks.find(id->number) : std::nullopt;
    if (!task || task->id != *id) return {};
    return device_reached(view, scope, task->device);
  }
  const auto id = RolloutId::parse(argument);
  const auto rollout = id ? view.rollouts.find(id->number) : std::nullopt;
  if (!rollout || rollout->id != *id) return {};
  return {fmt::format("rollout {}", argument), scope.covers(rollout->spec.where)};
}

}  // namespace

Result<Scope> Scope::of(const ApiKey& key) {
  if (auto good = check_scope(key.scope); !good) return good.error();
  Scope scope;
  scope.texts_ = key.scope;
  for (const auto& text : key.scope) scope.conditions_.push_back(parse_condition(text, Selects::devices).value());
  return scope;
}

bool Scope::has(const Device& device) const { return matches(conditions_, Subject{&device, nullptr, {}, {}}); }

bool Scope::has(storage::ReadView& view, const std::string& device) const {
  if (!limited()) return true;
  if (const auto found = view.devices.find(device)) return has(*found);
  Device unknown;
  unknown.id = device;
  return has(unknown);
}

bool Scope::covers(const std::vector<std::string>& where) const {
  return std::ranges::all_of(texts_, [&](const auto& text) { return std::ranges::find(where, text) != where.end(); });
}

void Scope::narrow(std::vector<FieldCondition>& conditions) const {
  conditions.insert(conditions.end(), conditions_.begin(), conditions_.end());
}

Error out_of_scope(const Call& call, const std::string& what) {
  return fail(Errc::not_authorized, fmt::format("{} is outside the scope of the key \"{}\": {}", what, call.actor,
                                              fmt::join(call.scope.texts(), ", ")));
}

boost::asio::awaitable<Result<void>> check_reach(Context& context, const Call& call, Scoped scoped) {
  if (!call.scope.limited() || scoped == Scoped::open) co_return Result<void>{};
  if (scoped == Scoped::refused)
    co_return fail(Errc::not_authorized, fmt::format("this call reaches all devices, and the key \"{}\" only those with {}",
                                                   call.actor, fmt::join(call.scope.texts(), ", ")));
  std::function<Result<Reached>(storage::ReadView&)> job =
      [scope = call.scope, scoped, argument = call.arguments.at(0)](storage::ReadView& view) -> Result<Reached> {
    return reached(view, scope, scoped, argument);
  };
  const auto found = co_await read<Reached>(context.readers, std::move(job));
  if (!found) co_return found.error();
  if (!found->inside) co_return out_of_scope(call, found->what);
  co_return Result<void>{};
}

boost::asio::awaitable<Result<void>> check_device_reach(Context& context, const Call& call, std::string device) {
  if (!call.scope.limited()) co_return Result<void>{};
  std::function<Result<Reached>(storage::ReadView&)> job = [scope = call.scope,
                                                            device](storage::ReadView& view) -> Result<Reached> {
    return device_reached(view, scope, device);
  };
  const auto found = co_await read<Reached>(context.readers, std::move(job));
  if (!found) co_return found.error();
  if (!found->inside) co_return out_of_scope(call, found->what);
  co_return Result<void>{};
}

}  // namespace ota::rest
