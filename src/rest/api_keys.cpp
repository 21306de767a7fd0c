#include "rest/api_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/firmware/hash.hpp"
#include "ota/wire/bearer.hpp"
#include "rest/context.hpp"

namespace ota::rest {
namespace {

constexpr Millis kFreshFor{1'000};
constexpr Millis kRecordEvery{60'000};

/// Compares with every key, so that the time doesn't depend on which one is similar.
const ApiKey* find_key(const std::vector<ApiKey>& keys, const Digest& secret, WallTime now) {
  const ApiKey* found = nullptr;
  for (const auto& key : keys) {
    if (firmware::equal_secrets(key.secret, secret)) found = &key;
    if (key.former && firmware::equal_secrets(key.former->secret, secret) && now < key.former->until) found = &key;
  }
  return found;
}

}  // namespace

std::shared_ptr<const ApiKeyAuthenticator::Keys> ApiKeyAuthenticator::fresh() const {
  const MutexLock lock(mutex_);
  return keys_ && clock_.steady() - read_at_ < kFreshFor ? keys_ : nullptr;
}

void ApiKeyAuthenticator::keep(std::shared_ptr<const Keys> keys, Millis read_at) {
  const MutexLock lock(mutex_);
  std::erase_if(recorded_, [&](const auto& entry) {
    return std::none_of(keys->begin(), keys->end(), [&](const auto& key) { return key.name == entry.first; });
  });
  keys_ = std::move(keys);
  read_at_ = read_at;
}

void ApiKeyAuthenticator::forget() {
  const MutexLock lock(mutex_);
  keys_ = nullptr;
}

void ApiKeyAuthenticator::record_use(const std::string& name) {
  {
    const auto now = clock_.steady();
    const MutexLock lock(mutex_);
    const auto [at, first] = recorded_.try_emplace(name, now);
    if (!first && now - at->second < kRecordEvery) return;
    at->second = now;
  }
  engine_.keys().key_used(name);
}

boost::asio::awaitable<Result<Operator>> ApiKeyAuthenticator::authenticate(std::string_view authorization) {
  const auto key = wire::bearer_token(authorization);
  if (key.empty()) {
    co_return fail(Errc::unauthenticated, "this call needs an API key: send \"Authorization: Bearer <key>\"");
  }
  const Digest secret = firmware::sha256(key);
  auto keys = fresh();
  if (!keys) {
    const auto asked_at = clock_.steady();
    std::function<Result<Keys>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<Keys> {
      return view.keys.all();
    };
    auto all = co_await read<Keys>(readers_, std::move(job));
    if (!all) co_return all.error();
    keys = std::make_shared<const Keys>(std::move(*all));
    keep(keys, asked_at);
  }
  const auto now = clock_.wall();
  const auto* found = find_key(*keys, secret, now);
  if (!found)
    co_return fail(Errc::unauthenticated, "the API key is unknown; \"otad keys list\" shows the existing keys");
  if (found->expires && *found->expires <= now)
    co_return fail(Errc::unauthenticated, fmt::format("the API key \"{}\" expired at {}: an admin changes that or makes "
                                                      "another", found->name, to_rfc3339(*found->expires)));
  auto scope = Scope::of(*found);
  if (!scope) co_return fail(Errc::server_fault, "the scope of the API key can't be read: " + scope.error().message);
  record_use(found->name);
  co_return Operator{found->name, found->role, std::move(*scope)};
}

}  // namespace ota::rest
