// Common parts of the agent's HTTP transfers.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <string>

namespace ota::agent {

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlHandle = std::unique_ptr<CURL, CloseHandle>;
using CurlMulti = std::unique_ptr<CURLM, CloseMulti>;
using CurlHeaders = std::unique_ptr<curl_slist, FreeList>;

/// Empty if there is none. The certificate and key are for servers that require one.
struct TlsFiles {
  std::string ca_file, cert_file, key_file;
};

/// A reply's body, up to `limit` bytes: one more ends the transfer with CURLE_WRITE_ERROR.
struct Body {
  std::string bytes;
  std::size_t limit = 0;
};

/// For http and https; gives up a connection that isn't made in some seconds.
CurlHandle make_handle(const TlsFiles& tls);
/// Where the next transfer's body goes; must live as long as that.
void receive_into(CURL* handle, Body& body);

}  // namespace ota::agent
