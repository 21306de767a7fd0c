// Byte ranges and entity-tag conditions (RFC 9110, sections 13 and 14): pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ota::http {

/// `length` bytes from `offset` of the representation; never empty, never beyond its end.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

enum class RangeKind {
  whole,          ///< no usable Range: answer 200
  ranges,         ///< answer 206 with `ranges`
  unsatisfiable,  ///< answer 416
};

struct RangeAnswer {
  RangeKind kind = RangeKind::whole;
  std::vector<ByteRange> ranges;  ///< in the requested order
};

/// More ranges than this in one header: the header is ignored. Delta clients ask for up to 150 (SWUpdate) or 255
/// (zchunk).
inline constexpr std::size_t kMaxRanges = 256;

/// Reads a Range header's value for a representation of `size` bytes. Malformed, of another unit than bytes, more than
/// kMaxRanges, more than two overlaps, or more bytes in all than the representation has: ignored (RFC 9110, 14.2
/// allows it, 17.15 asks for it). Numbers beyond 2^64 count as 2^64 - 1. Ranges that can't be satisfied are left out
/// while another can.
RangeAnswer parse_range(std::string_view value, std::uint64_t size);

/// True where the list (`"a", W/"b"` or `*`) has `etag`; strong comparison (If-Match) takes no weak tags, weak
/// comparison (If-None-Match) does (RFC 9110, 8.8.3.2).
bool etag_listed(std::string_view list, std::string_view etag, bool strong);

/// If-Range (RFC 9110, 13.1.5): true only for the same strong tag; a date never matches, as there is no Last-Modified.
bool if_range_holds(std::string_view value, std::string_view etag);

}  // namespace ota::http
