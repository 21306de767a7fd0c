// Operators' API keys: who calls, and may they (api.md, REST).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/engine/engine.hpp"
#include "ota/storage/readers.hpp"

namespace ota::rest {

/// The operator behind a request.
struct Operator {
  std::string name;
  storage::Role role = storage::Role::viewer;
};

/// Holds the database's keys for at most a second, so that a removed key stops working within one, and has the use of a
/// key recorded at most once a minute. Thread-safe; its lock is a leaf.
class ApiKeyAuthenticator {
 public:
  ApiKeyAuthenticator(storage::Readers& readers, engine::Engine& engine, const Clock& clock)
      : readers_(readers), engine_(engine), clock_(clock) {}

  /// Whose key stands in that Authorization header. Errc::unauthenticated where there is none or nobody's; the
  /// database's own error where the keys can't be read: nobody is let in on a guess.
  boost::asio::awaitable<Result<Operator>> authenticate(std::string_view authorization);

 private:
  using Keys = std::vector<storage::ApiKey>;
  std::shared_ptr<const Keys> fresh() const;
  void keep(std::shared_ptr<const Keys> keys, Millis read_at);
  void record_use(const std::string& name);

  storage::Readers& readers_;
  engine::Engine& engine_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Keys> keys_;        // protected by mutex_
  Millis read_at_{0};                       // protected by mutex_
  std::map<std::string, Millis> recorded_;  // protected by mutex_; when the use of a key was written down last
};

}  // namespace ota::rest
