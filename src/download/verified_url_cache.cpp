#include "download/verified_url_cache.hpp"

#include <functional>
#include <memory>
#include <span>

#include "ota/firmware/hash.hpp"

namespace ota::download {
namespace {

std::span<const std::uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

VerifiedUrlCache::Address& VerifiedUrlCache::place(std::string_view image_hex, std::string_view query) {
  const std::hash<std::string_view> hash;
  // A query of ours ends in its signature, each for one image.
  const auto of = query.size() < kSignatureChars ? image_hex : query.substr(query.size() - 8);
  return addresses_[hash(of) % addresses_.size()];
}

const VerifiedUrlCache::Address* VerifiedUrlCache::find(std::uint64_t signer, std::string_view image_hex,
                                                        std::string_view query) {
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

void VerifiedUrlCache::keep(std::uint64_t signer, std::string_view image_hex, std::string_view query,
                            std::string_view signature, const UrlGrant& grant, std::int64_t expires) {
  if (image_hex.size() + query.size() > kLongest) return;
  auto& address = place(image_hex, query);
  address.signer = signer;
  address.hex_and_query.assign(image_hex).append(query);
  address.signature_at = image_hex.size() + static_cast<std::size_t>(signature.data() - query.data());
  address.grant = grant;
  address.expires = expires;
}

VerifiedUrlCache& verified_urls() {
  // Made where it is needed: every thread of the program would pay for one that stands ready.
  thread_local const auto urls = std::make_unique<VerifiedUrlCache>();
  return *urls;
}

}  // namespace ota::download
