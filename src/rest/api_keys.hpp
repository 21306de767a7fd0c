// Operators' API keys: authentication of REST calls (docs/rest.md, Authentication).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"
#include "ota/engine/engine.hpp"
#include "ota/storage/readers.hpp"
#include "rest/scope.hpp"

namespace ota::rest {

/// The operator who sent a request.
struct Operator {
  std::string name;
  Role role = Role::viewer;
  Scope scope{};
};

/// Caches the keys of the database for at most a second, so that a revoked key is refused within a second. Records the
/// use of a key at most once a minute. Thread-safe; no other lock is taken while its lock is held.
class ApiKeyAuthenticator {
 public:
  ApiKeyAuthenticator(storage::Readers& readers, engine::Engine& engine, const Clock& clock)
      : readers_(readers), engine_(engine), clock_(clock) {}

  /// The owner of the key in that Authorization header. Errc::unauthenticated if there is no key, or it is unknown or expired; the
  /// database's error if the keys can't be read, so that no call is authorized by a stale cache.
  boost::asio::awaitable<Result<Operator>> authenticate(std::string_view authorization);
  /// Reads them again at the next call, since one was changed here.
  void forget();

 private:
  using Keys = std::vector<ApiKey>;
  std::shared_ptr<const Keys> fresh() const;
  void keep(std::shared_ptr<const Keys> keys, Millis read_at);
  void record_use(const std::string& name);

  storage::Readers& readers_;
  engine::Engine& engine_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::shared_ptr<const Keys> keys_ OTA_GUARDED_BY(mutex_);
  Millis read_at_ OTA_GUARDED_BY(mutex_){0};
  /// When the use of a key was last recorded.
  std::map<std::string, Millis> recorded_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::rest
