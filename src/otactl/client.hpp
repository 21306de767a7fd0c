// Calls of the REST interface (docs/rest.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/curl/handle.hpp"
#include "otactl/contexts.hpp"
#include "otactl/failure.hpp"
#include "otactl/json.hpp"

namespace ota::otactl {

using Query = std::vector<std::pair<std::string, std::string>>;

/// `/devices/gw-17/explain` from its segments, each escaped.
std::string path_of(const std::vector<std::string>& segments);

struct Reply {
  long status = 0;
  std::string body;
  std::string content_type;
  std::string server_date;  ///< Date, as sent

  /// Failure if it is no JSON.
  Json json() const;
};

/// A file as a body. `sent` is called with the bytes so far, about ten times a second.
struct FileBody {
  int descriptor = -1;
  std::uint64_t size = 0;
  std::function<void(std::uint64_t)> sent;
};

struct Request {
  std::string method = "GET";
  std::string path;  ///< path_of()
  Query query{};
  std::optional<std::string> body{};
  std::string content_type = "application/json";
  std::optional<FileBody> file{};
  std::string idempotency_key{};  ///< the call may then be sent again where its answer was lost
  /// After which time without a byte the call is given up; 0: never.
  std::chrono::seconds silence{60};
  std::chrono::seconds longest{0};     ///< the whole call; 0: no limit
  std::size_t most_bytes = 64u << 20;  ///< of the answer
};

/// One connection, kept between calls. Not thread-safe.
class Client {
 public:
  explicit Client(Server server);
  ~Client();

  /// An answer of any status. Throws Unreachable without one, and Failure(kInterrupted) after a signal
  /// (interrupt.hpp).
  Reply try_call(const Request& request);
  /// An answer below 300; throws refusal() for others.
  Reply call(const Request& request);
  // The same, by method.
  Reply get(std::string path, Query query = {});
  Reply post(std::string path, const Json& body = Json::object(), Query query = {});
  /// With an Idempotency-Key of its own: sent again where the answer was lost.
  Reply post_once(std::string path, const Json& body);
  Reply put(std::string path, const Json& body);
  Reply patch(std::string path, const Json& body);
  Reply remove(std::string path);

  /// What the server's answer says as a Failure: detail, code, fields. kNoAccess for 401, 403 `forbidden`, 421 and
  /// what isn't otad; else kRefused.
  Failure refusal(const Request& request, const Reply& reply);

  std::string url_of(const Request& request) const;
  const Server& server() const { return server_; }
  /// The key that is sent; empty without one.
  const std::string& key() const { return key_; }

 private:
  Reply send(const Request& request);
  std::string version_note();

  const Server server_;
  std::string key_;
  curl::Handle handle_;
};

/// The libcurl error in words, with what to do. `detail`: CURLOPT_ERRORBUFFER.
std::string describe(CURLcode code, const std::string& detail, const Server& server);

}  // namespace ota::otactl
