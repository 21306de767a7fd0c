#include "ota/credentials/signing.hpp"

#include <gtest/gtest.h>

#include "ota/credentials/certificates.hpp"

namespace ota::credentials {
namespace {

TEST(Signing, ASignatureIsOfTheKeyAndTheText) {
  const auto key = new_signing_key();
  const auto signature = sign(key.secret_pem, "firmware");
  ASSERT_TRUE(signature);
  EXPECT_EQ(signature->size(), 88u);  // base64 of 64 bytes
  EXPECT_EQ(*signature, sign(key.secret_pem, "firmware").value());
  EXPECT_NE(*signature, sign(key.secret_pem, "firmware ").value());
  EXPECT_NE(*signature, sign(new_signing_key().secret_pem, "firmware").value());
}

TEST(Signing, RefusesWhatIsNoPrivateEd25519Key) {
  for (const auto& other : {new_key(), new_signing_key().public_pem, std::string("firmware")}) {
    const auto signature = sign(other, "firmware");
    ASSERT_FALSE(signature) << other;
    EXPECT_EQ(signature.error().code, Errc::malformed);
  }
}

}  // namespace
}  // namespace ota::credentials
