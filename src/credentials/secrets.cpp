#include "ota/credentials/secrets.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "credentials/openssl.hpp"
#include "ota/base/text.hpp"

namespace ota::credentials {
namespace {

constexpr std::size_t kPasswordBytes = 24;
constexpr std::size_t kSaltBytes = 12;
constexpr std::size_t kHashBytes = 64;
constexpr int kMosquittoRounds = 101;  // mosquitto_passwd's own
constexpr int kMostRounds = 1'000'000;

using Bytes = std::vector<unsigned char>;

Bytes random_bytes(std::size_t count) {
  Bytes bytes(count);
  require(RAND_bytes(bytes.data(), static_cast<int>(count)) == 1, "RAND_bytes");
  return bytes;
}

/// Empty for what is no base64.
Bytes from_base64(std::string_view text) {
  Bytes bytes(3 * (text.size() / 4) + 3);
  const int length = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  const auto padding = static_cast<int>(text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0);
  bytes.resize(static_cast<std::size_t>(std::max(0, length - padding)));
  return bytes;
}

Bytes hash_of(std::string_view password, const Bytes& salt, int rounds) {
  Bytes hash(kHashBytes);
  require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                            static_cast<int>(salt.size()), rounds, EVP_sha512(), static_cast<int>(hash.size()),
                            hash.data()) == 1,
          "PBKDF2");
  return hash;
}

/// Cuts `text` before the first `mark` and answers that part; nothing if there is no `mark`.
std::optional<std::string_view> cut(std::string_view& text, std::string_view mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto part = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return part;
}

}  // namespace

std::string random_text(std::size_t bytes) {
  auto text = base64(random_bytes(bytes));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::string new_password() { return random_text(kPasswordBytes); }

std::string mosquitto_line(std::string_view user, std::string_view password) {
  const auto salt = random_bytes(kSaltBytes);
  return fmt::format("{}:$7${}${}${}", user, kMosquittoRounds, base64(salt),
                     base64(hash_of(password, salt, kMosquittoRounds)));
}

bool matches(std::string_view line, std::string_view user, std::string_view password) {
  const auto named = cut(line, ":$7$");
  const auto rounds = cut(line, "$");
  const auto salt = cut(line, "$");
  if (!named || !rounds || !salt || *named != user) return false;
  const auto count = parse_decimal<int>(*rounds).value_or(0);
  if (count < 1 || count > kMostRounds) return false;
  const auto wanted = hash_of(password, from_base64(*salt), count);
  const auto kept = from_base64(line);
  return kept.size() == wanted.size() && CRYPTO_memcmp(kept.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace ota::credentials
