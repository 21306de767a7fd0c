// The reply to a request for a file, after conditions and ranges (RFC 9110, 13.2.2 and 14).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "http/range.hpp"
#include "http/request_parser.hpp"
#include "ota/http/message.hpp"

namespace ota::http {

struct FilePlan {
  unsigned status = 200;          ///< 200, 206, 304, 412 or 416
  std::vector<ByteRange> ranges;  ///< what is to be sent, within the representation; several: multipart/byteranges
};

FilePlan plan_file(const RequestParser& request, const FileBody& file);
/// All of it, whatever the request's conditions: for statuses other than 200.
FilePlan plan_whole(unsigned status, const FileBody& file);

/// A multipart boundary with 128 random bits, so that stored content can't contain it.
std::string make_boundary();

}  // namespace ota::http
