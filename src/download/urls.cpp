#include "ota/download/urls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "ota/domain/chunks.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::download {
namespace {

constexpr std::size_t kSignatureChars = 43;  ///< 32 bytes in base64url without padding

/// The parameters as they stand in the query; views into it.
struct Parts {
  std::string_view bytes, task, exp, sig;
};

std::string_view* part_of(Parts& parts, std::string_view name) {
  if (name == "bytes") return &parts.bytes;
  if (name == "task") return &parts.task;
  if (name == "exp") return &parts.exp;
  return name == "sig" ? &parts.sig : nullptr;
}

/// `good` where there is nothing but our parameters, each at most once.
UrlVerdict split(std::string_view query, Parts& parts) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto item = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = item.find('=');
    auto* part = part_of(parts, item.substr(0, equals));
    if (!part || equals == std::string_view::npos) return UrlVerdict::unsigned_parameter;
    if (part->data() != nullptr) return UrlVerdict::wrong;
    *part = item.substr(equals + 1);
  }
  return UrlVerdict::good;
}

/// Whether the query that was split is just as sign() makes it.
bool spelt_as_signed(std::string_view query, const Parts& parts) {
  const auto values = parts.bytes.size() + parts.task.size() + parts.exp.size() + parts.sig.size();
  return parts.bytes.data() < parts.task.data() && parts.task.data() < parts.exp.data() &&
         parts.exp.data() < parts.sig.data() &&
         query.size() == values + std::string_view("bytes=&task=&exp=&sig=").size();
}

template <class Number>
std::optional<Number> decimal(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

/// One signature has one spelling: the two bits behind the last byte must be zero.
bool parse_signature(std::string_view text, Digest& signature) {
  if (text.size() != kSignatureChars) return false;
  unsigned bits = 0;
  int held = 0;
  std::size_t at = 0;
  for (const char c : text) {
    const int six = sextet(c);
    if (six < 0) return false;
    bits = (bits << 6 | static_cast<unsigned>(six)) & 0xFFFFu;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    signature[at++] = static_cast<std::uint8_t>(bits >> held);
  }
  return (bits & 3u) == 0;
}

/// The text that is signed, in a buffer that holds the longest.
class Canonical {
 public:
  /// False where the parts are longer than anything that we sign.
  bool write(std::string_view image_hex, std::string_view bytes, std::string_view task, std::string_view exp) {
    if (image_hex.size() + bytes.size() + task.size() + exp.size() + 32 > buffer_.size()) return false;
    for (const auto part : {std::string_view("otad-download-v1"), image_hex, bytes, task, exp}) {
      part.copy(buffer_.data() + size_, part.size());
      size_ += part.size();
      buffer_[size_++] = '\n';
    }
    return true;
  }
  std::string_view text() const { return {buffer_.data(), size_}; }

 private:
  std::array<char, 256> buffer_;
  std::size_t size_ = 0;
};

/// Addresses that a thread found good: a device fetches all of its chunks by one query, and looking again costs more
/// than all else that a small range needs. 64 KiB a thread at most.
class KnownGood {
 public:
  static constexpr std::size_t kLongest = 256;

  struct Address {
    std::uint64_t signer = 0;  ///< 0: none
    std::string hex_and_query;
    std::size_t signature_at = 0;  ///< in it
    UrlGrant grant;
    std::int64_t expires = 0;
  };

  /// Null where it isn't known. Compares the signature in constant time.
  const Address* find(std::uint64_t signer, std::string_view image_hex, std::string_view query) {
    const auto& address = place(image_hex, query);
    const std::string_view known = address.hex_and_query;
    if (address.signer != signer || known.size() != image_hex.size() + query.size()) return nullptr;
    if (address.signature_at < image_hex.size() || !known.starts_with(image_hex)) return nullptr;
    const auto at = address.signature_at - image_hex.size();
    const auto before = known.substr(image_hex.size(), at);
    const auto behind = known.substr(address.signature_at + kSignatureChars);
    const bool same = query.starts_with(before) && query.ends_with(behind) &&
                      firmware::equal_secrets(octets(known.substr(address.signature_at, kSignatureChars)),
                                              octets(query.substr(at, kSignatureChars)));
    return same ? &address : nullptr;
  }

  /// `signature`: a part of `query`.
  void keep(std::uint64_t signer, std::string_view image_hex, std::string_view query, std::string_view signature,
            const UrlGrant& grant, std::int64_t expires) {
    if (image_hex.size() + query.size() > kLongest) return;
    auto& address = place(image_hex, query);
    address.signer = signer;
    address.hex_and_query.assign(image_hex).append(query);
    address.signature_at = image_hex.size() + static_cast<std::size_t>(signature.data() - query.data());
    address.grant = grant;
    address.expires = expires;
  }

 private:
  static std::span<const std::uint8_t> octets(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  /// Of this address, or of another that it takes the place of.
  Address& place(std::string_view image_hex, std::string_view query) {
    const std::hash<std::string_view> hash;
    // A query of ours ends in its signature, each for one image.
    const auto of = query.size() < kSignatureChars ? image_hex : query.substr(query.size() - 8);
    return addresses_[hash(of) % addresses_.size()];
  }

  std::array<Address, 256> addresses_;
};

KnownGood& known_good() {
  // Made where it is needed: every thread of the program would pay for one that stands ready.
  thread_local const auto addresses = std::make_unique<KnownGood>();
  return *addresses;
}

UrlVerdict in_time(std::int64_t now, std::int64_t expires) {
  return now < expires ? UrlVerdict::good : UrlVerdict::expired;
}

std::uint64_t next_signer() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

UrlSigner::UrlSigner(std::vector<std::string> keys) : keys_(std::move(keys)), number_(next_signer()) {
  std::erase(keys_, std::string());
}

std::string UrlSigner::sign(const Digest& image, std::uint32_t chunk_bytes, const TaskId& task,
                            std::int64_t expires) const {
  const auto bytes_text = std::to_string(chunk_bytes);
  const auto task_text = task.str();
  const auto exp_text = std::to_string(expires);
  Canonical canonical;
  canonical.write(to_hex(image), bytes_text, task_text, exp_text);
  const auto signature = keys_.empty() ? Digest{} : firmware::hmac_sha256(keys_.front(), canonical.text());
  return fmt::format("bytes={}&task={}&exp={}&sig={}", bytes_text, task_text, exp_text, firmware::base64url(signature));
}

UrlVerdict UrlSigner::verify(std::string_view image_hex, std::string_view query, std::int64_t now,
                             UrlGrant& grant) const {
  if (const auto* known = known_good().find(number_, image_hex, query)) {
    grant = known->grant;
    return in_time(now, known->expires);
  }
  Parts parts;
  if (const auto verdict = split(query, parts); verdict != UrlVerdict::good) return verdict;
  if (parts.bytes.empty() || parts.task.empty() || parts.exp.empty() || parts.sig.empty()) return UrlVerdict::missing;
  const auto bytes = decimal<std::uint32_t>(parts.bytes);
  const auto expires = decimal<std::int64_t>(parts.exp);
  const auto task = TaskId::parse(parts.task);
  Digest signature{};
  Canonical canonical;
  if (!bytes || *bytes == 0 || !expires || !task || !parse_signature(parts.sig, signature) ||
      !canonical.write(image_hex, parts.bytes, parts.task, parts.exp))
    return UrlVerdict::wrong;
  const bool good = std::any_of(keys_.begin(), keys_.end(), [&](const std::string& key) {
    return firmware::equal_secrets(firmware::hmac_sha256(key, canonical.text()), signature);
  });
  if (!good) return UrlVerdict::wrong;
  grant = {*task, *bytes, false, spelt_as_signed(query, parts)};
  known_good().keep(number_, image_hex, query, parts.sig, grant, *expires);
  return in_time(now, *expires);
}

}  // namespace ota::download
