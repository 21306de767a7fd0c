#include "ota/firmware/hash.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace ota::firmware {
namespace {

/// OpenSSL fails here only without memory or with a broken installation; there is no way to continue.
void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

const EVP_MD* fetch(const char* name) {
  const EVP_MD* const md = EVP_MD_fetch(nullptr, name, nullptr);
  require(md != nullptr, name);
  return md;
}

/// Fetched once: a fetch costs more than hashing a kilobyte.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const md = fetch("SHA256");
  return md;
}
const EVP_MD* sha1_algorithm() {
  static const EVP_MD* const md = fetch("SHA1");
  return md;
}
const EVP_MD* md5_algorithm() {
  static const EVP_MD* const md = fetch("MD5");
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

void start(EVP_MD_CTX* context, const EVP_MD* algorithm = sha256_algorithm()) {
  require(EVP_DigestInit_ex2(context, algorithm, nullptr) == 1, "EVP_DigestInit");
}

void feed(EVP_MD_CTX* context, const void* bytes, std::size_t size) {
  require(EVP_DigestUpdate(context, bytes, size) == 1, "EVP_DigestUpdate");
}

template <class D = Digest>
D finish(EVP_MD_CTX* context) {
  D digest;
  require(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1, "EVP_DigestFinal");
  return digest;
}

/// One for each thread, so that hashing a short text allocates nothing.
EVP_MD_CTX* own_context() {
  thread_local const Context context = make_context();
  return context.get();
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// An image of SWUpdate is a cpio archive in the ASCII formats "newc" and "crc" (cpio(5)): a header of 110 bytes, the
// magic first, then the name of its first file.
constexpr std::size_t kCpioHeader = 110;
constexpr std::string_view kSwupdateFile = "sw-description";
constexpr std::size_t kSwupdateBytes = kCpioHeader + kSwupdateFile.size();

bool begins_as_swupdate(std::string_view bytes) {
  return (bytes.starts_with("070701") || bytes.starts_with("070702")) && bytes.size() == kSwupdateBytes &&
         bytes.ends_with(kSwupdateFile);
}

char digest_name[] = "SHA256";  // OpenSSL's parameters aren't const

/// A context for message after message: making one, or a copy of a keyed one, costs more than hashing a short message.
class Mac {
 public:
  Mac(const char* algorithm, OSSL_PARAM parameter) {
    const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, algorithm, nullptr));
    require(mac != nullptr, algorithm);
    context_.reset(EVP_MAC_CTX_new(mac.get()));
    require(context_ != nullptr, "EVP_MAC_CTX_new");
    const OSSL_PARAM parameters[] = {parameter, OSSL_PARAM_construct_end()};
    require(EVP_MAC_CTX_set_params(context_.get(), parameters) == 1, "EVP_MAC_CTX_set_params");
  }

  /// Begins a message. `key`: where its data is null, that of the message before (HMAC alone can do that).
  void start(std::string_view key) {
    require(EVP_MAC_init(context_.get(), octets(key), key.size(), nullptr) == 1, "EVP_MAC_init");
  }

  /// All of the message; its code into `code`, which has the algorithm's size.
  void finish(std::string_view message, std::span<std::uint8_t> code) {
    require(EVP_MAC_update(context_.get(), octets(message), message.size()) == 1, "EVP_MAC_update");
    std::size_t size = 0;
    require(EVP_MAC_final(context_.get(), code.data(), &size, code.size()) == 1 && size == code.size(),
            "EVP_MAC_final");
  }

 private:
  static const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }

  std::unique_ptr<EVP_MAC_CTX, FreeMac> context_;
};

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

struct ImageHasher::State {
  Sha256 sha256;
  Context sha1 = make_context();
  Context md5 = make_context();
  std::string beginning;
  std::uint64_t size = 0;
};

ImageHasher::ImageHasher() : state_(std::make_unique<State>()) {
  start(state_->sha1.get(), sha1_algorithm());
  start(state_->md5.get(), md5_algorithm());
}
ImageHasher::~ImageHasher() = default;
ImageHasher::ImageHasher(ImageHasher&&) noexcept = default;
ImageHasher& ImageHasher::operator=(ImageHasher&&) noexcept = default;

void ImageHasher::update(std::span<const char> bytes) {
  auto& state = *state_;
  if (state.beginning.size() < kSwupdateBytes)
    state.beginning.append(bytes.data(), std::min(bytes.size(), kSwupdateBytes - state.beginning.size()));
  state.sha256.update(bytes);
  feed(state.sha1.get(), bytes.data(), bytes.size());
  feed(state.md5.get(), bytes.data(), bytes.size());
  state.size += bytes.size();
}

Stored ImageHasher::finish() {
  auto& state = *state_;
  return {state.sha256.finish(), state.size, firmware::finish<Sha1Digest>(state.sha1.get()),
          firmware::finish<Md5Digest>(state.md5.get()), begins_as_swupdate(state.beginning)};
}

Digest hmac_sha256(std::string_view key, std::string_view message) {
  thread_local Mac mac("HMAC", OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0));
  // Keyed with the same as before, the context only starts anew: a bit more than half of the time.
  thread_local std::optional<std::string> last;
  const bool same = last == key;
  mac.start(same ? std::string_view() : key);
  if (!same) last = key;
  Digest digest{};
  mac.finish(message, digest);
  return digest;
}

std::uint64_t siphash(std::span<const std::uint8_t, 16> key, std::string_view text) {
  static std::size_t size = sizeof(std::uint64_t);
  thread_local Mac mac("SIPHASH", OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size));
  mac.start({reinterpret_cast<const char*>(key.data()), key.size()});
  std::array<std::uint8_t, sizeof(std::uint64_t)> hash{};
  mac.finish(text, hash);
  std::uint64_t value = 0;
  for (auto byte = hash.rbegin(); byte != hash.rend(); ++byte) value = value << 8 | *byte;
  return value;
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
