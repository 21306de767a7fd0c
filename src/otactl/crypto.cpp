#include "otactl/crypto.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "otactl/failure.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/terminal.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kBlock = 1 << 20;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Digest = std::unique_ptr<EVP_MD_CTX, Free>;
using Bio = std::unique_ptr<BIO, Free>;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(fmt::format("OpenSSL failed: {}", what));
}

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string content_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Key read_signing_key(const std::filesystem::path& file) {
  const auto shown = printable(file.string());
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0)
    throw Failure(kUsage, fmt::format("the signing key {} can't be read: {}", shown, std::strerror(errno)));
  if ((about.st_mode & 0077) != 0)
    throw Failure(kUsage, fmt::format("the signing key {} can be read by others: chmod 600 it", shown));
  const Bio bio(BIO_new_file(file.c_str(), "r"));
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519)
    throw Failure(kUsage, fmt::format("{} is no readable Ed25519 private key in PEM form without a password; "
                                      "otactl key new-signing makes one",
                                      shown));
  return key;
}

}  // namespace

std::string digest_of(int descriptor, std::uint64_t size, const std::function<void(std::uint64_t)>& seen) {
  const Digest context(EVP_MD_CTX_new());
  require(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "SHA-256");
  std::vector<char> block(kBlock);
  for (std::uint64_t at = 0; at < size;) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, size - at));
    const auto got = ::pread(descriptor, block.data(), most, static_cast<off_t>(at));
    if (interrupted()) throw Failure(kInterrupted, "interrupted");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(kRefused, fmt::format("the file can't be read: {}", std::strerror(errno)));
    if (got == 0) throw Failure(kRefused, "the file became shorter while it was read");
    require(EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(got)) == 1, "SHA-256");
    at += static_cast<std::uint64_t>(got);
    seen(at);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  require(EVP_DigestFinal_ex(context.get(), digest.data(), &length) == 1, "SHA-256");
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

SigningKey new_signing_key() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Bio secret(BIO_new(BIO_s_mem()));
  const Bio open(BIO_new(BIO_s_mem()));
  require(key && secret && open, "no Ed25519 key");
  require(PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "PEM");
  require(PEM_write_bio_PUBKEY(open.get(), key.get()) == 1, "PEM");
  return {content_of(secret.get()), content_of(open.get())};
}

std::string sign(const SignedFirmware& firmware, const std::filesystem::path& key_file) {
  const auto text = fmt::format("otad-firmware-v1\nhardware:{}\nversion:{}\nsize:{}\nsha256:{}\n", firmware.hardware,
                                firmware.version, firmware.size, firmware.sha256);
  const auto key = read_signing_key(key_file);
  const Digest context(EVP_MD_CTX_new());
  std::array<unsigned char, 64> signature{};
  auto size = signature.size();
  require(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "Ed25519");
  require(EVP_DigestSign(context.get(), signature.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                         text.size()) == 1,
          "Ed25519");
  return base64(signature.data(), size);
}

}  // namespace ota::otactl
