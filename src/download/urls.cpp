#include "ota/download/urls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "download/verified_url_cache.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::download {
namespace {

/// The parameters as written in the query; views into it.
struct Parts {
  std::string_view bytes, task, exp, sig;
};

std::string_view* part_of(Parts& parts, std::string_view name) {
  if (name == "bytes") return &parts.bytes;
  if (name == "task") return &parts.task;
  if (name == "exp") return &parts.exp;
  return name == "sig" ? &parts.sig : nullptr;
}

/// `good` if there are only known parameters, each at most once.
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

/// Whether the parsed query is exactly as sign() writes it.
bool spelt_as_signed(std::string_view query, const Parts& parts) {
  const auto values = parts.bytes.size() + parts.task.size() + parts.exp.size() + parts.sig.size();
  return parts.bytes.data() < parts.task.data() && parts.task.data() < parts.exp.data() &&
         parts.exp.data() < parts.sig.data() &&
         query.size() == values + std::string_view("bytes=&task=&exp=&sig=").size();
}

/// The text that is signed, in a buffer that holds the longest.
class Canonical {
 public:
  /// False if the parts are longer than anything that sign() produces.
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
  if (const auto* known = verified_urls().find(number_, image_hex, query)) {
    grant = known->grant;
    return in_time(now, known->expires);
  }
  Parts parts;
  if (const auto verdict = split(query, parts); verdict != UrlVerdict::good) return verdict;
  if (parts.bytes.empty() || parts.task.empty() || parts.exp.empty() || parts.sig.empty()) return UrlVerdict::missing;
  const auto bytes = parse_decimal<std::uint32_t>(parts.bytes);
  const auto expires = parse_decimal<std::int64_t>(parts.exp);
  const auto task = TaskId::parse(parts.task);
  const auto signature = firmware::parse_base64url(parts.sig);
  Canonical canonical;
  if (!bytes || *bytes == 0 || !expires || !task || !signature || signature->size() != sizeof(Digest) ||
      !canonical.write(image_hex, parts.bytes, parts.task, parts.exp))
    return UrlVerdict::wrong;
  const bool good = std::any_of(keys_.begin(), keys_.end(), [&](const std::string& key) {
    return firmware::equal_secrets(firmware::hmac_sha256(key, canonical.text()), *signature);
  });
  if (!good) return UrlVerdict::wrong;
  grant = {*task, *bytes, false, spelt_as_signed(query, parts)};
  verified_urls().keep(number_, image_hex, query, parts.sig, grant, *expires);
  return in_time(now, *expires);
}

}  // namespace ota::download
