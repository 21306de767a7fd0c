// What the HTTP clients of this project have in common: libcurl's objects that free themselves, TLS files, bodies.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <string>

namespace ota::curl {

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, CloseHandle>;
using Multi = std::unique_ptr<CURLM, CloseMulti>;
using Headers = std::unique_ptr<curl_slist, FreeList>;

/// Empty if there is none. The certificate and key are for servers that require one.
struct TlsFiles {
  std::string ca_file, cert_file, key_file;
};

/// A reply's body, up to `limit` bytes: one more ends the transfer with CURLE_WRITE_ERROR.
struct Body {
  std::string bytes;
  std::size_t limit = 0;
};

/// For http and https, without redirects; gives up a connection that isn't made in some seconds. `program`: the
/// User-Agent.
Handle make_handle(const TlsFiles& tls, const char* program);
/// Where the next transfer's body goes; must live as long as that.
void receive_into(CURL* handle, Body& body);

}  // namespace ota::curl
