// One request on a libcurl handle.
#pragma once

#include <array>
#include <chrono>
#include <string>

#include "otactl/client.hpp"

namespace ota::otactl {

class Transfer {
 public:
  /// Both must outlive it. The handle's options are reset but for those of the connection.
  Transfer(CURL* handle, const Request& request);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void set_url(const std::string& url);
  void add_header(const std::string& line);
  CURLcode run();
  /// After CURLE_OK.
  Reply take();
  /// Of the last run, in libcurl's words; may be empty.
  std::string error() const { return error_.data(); }

 private:
  void set_body();
  static int progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t sent);
  static std::size_t read_file(char* to, std::size_t, std::size_t size, void* self);
  static int rewind_file(void* self, curl_off_t offset, int origin);
  static std::size_t header(char* line, std::size_t, std::size_t size, void* self);

  CURL* handle_;
  const Request& request_;
  curl::Headers headers_;
  curl::Body body_;
  Reply reply_;
  std::uint64_t read_ = 0;  ///< of the file
  std::chrono::steady_clock::time_point shown_{};
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace ota::otactl
