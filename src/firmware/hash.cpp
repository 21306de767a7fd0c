#include "ota/firmware/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <stdexcept>

namespace ota::firmware {
namespace {

/// What OpenSSL refuses here (no memory, a broken installation) nobody can go on without.
void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

/// Fetched once: a fetch costs more than hashing a kilobyte.
const EVP_MD* algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  require(md != nullptr, "no SHA-256");
  return md;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context make_context() {
  Context context(EVP_MD_CTX_new());
  require(context != nullptr, "EVP_MD_CTX_new");
  return context;
}

void start(EVP_MD_CTX* context) { require(EVP_DigestInit_ex2(context, algorithm(), nullptr) == 1, "EVP_DigestInit"); }

void feed(EVP_MD_CTX* context, const void* bytes, std::size_t size) {
  require(EVP_DigestUpdate(context, bytes, size) == 1, "EVP_DigestUpdate");
}

Digest finish(EVP_MD_CTX* context) {
  Digest digest;
  require(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1, "EVP_DigestFinal");
  return digest;
}

/// One for each thread, so that hashing a short text allocates nothing.
EVP_MD_CTX* own_context() {
  thread_local const Context context = make_context();
  return context.get();
}

}  // namespace

Digest sha256(std::string_view bytes) {
  auto* const context = own_context();
  start(context);
  feed(context, bytes.data(), bytes.size());
  return finish(context);
}

struct Sha256::State {
  Context context = make_context();
};

Sha256::Sha256() : state_(std::make_unique<State>()) { start(state_->context.get()); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const char> bytes) { feed(state_->context.get(), bytes.data(), bytes.size()); }

Digest Sha256::finish() {
  const auto digest = firmware::finish(state_->context.get());
  start(state_->context.get());
  return digest;
}

// RFC 2104 by hand: OpenSSL's EVP_MAC copies and allocates for each message, which costs several times the hash.
Digest hmac_sha256(std::string_view key, std::string_view message) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> inner;
  std::array<std::uint8_t, kBlock> outer;
  Digest short_key{};
  if (key.size() > kBlock) {
    short_key = sha256(key);
    key = {reinterpret_cast<const char*>(short_key.data()), short_key.size()};
  }
  for (std::size_t i = 0; i < kBlock; ++i) {
    const auto byte = i < key.size() ? static_cast<std::uint8_t>(key[i]) : std::uint8_t{0};
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  auto* const context = own_context();
  start(context);
  feed(context, inner.data(), inner.size());
  feed(context, message.data(), message.size());
  const auto digest = finish(context);
  start(context);
  feed(context, outer.data(), outer.size());
  feed(context, digest.data(), digest.size());
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  OPENSSL_cleanse(short_key.data(), short_key.size());
  return finish(context);
}

bool equal_secrets(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::vector<std::uint8_t> random_bytes(std::size_t bytes) {
  std::vector<std::uint8_t> random(bytes);
  require(RAND_bytes(random.data(), static_cast<int>(bytes)) == 1, "the system's random source");
  return random;
}

}  // namespace ota::firmware
