#include "ota/http/problem.hpp"

#include <gtest/gtest.h>

namespace ota::http {
namespace {

TEST(Problem, IsJsonWhateverTheDetail) {
  const Reply reply = problem({503, "image_damaged", kImageDamaged, "a \"b\"\n\\\xff"});
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.content_type, "application/problem+json");
  EXPECT_EQ(reply.body, R"({"type":"/problems/image_damaged","title":"The stored image is damaged","status":503,)"
                        "\"detail\":\"a \\\"b\\\"\\n\\\\\xef\xbf\xbd\",\"code\":\"image_damaged\"}");
}

TEST(Problem, NamesFields) {
  const std::vector<FieldError> fields{{"version", "is missing"}, {"a\"b", "is \\"}};
  const Reply reply = problem({422, "malformed", "T", "d", fields});
  EXPECT_EQ(reply.body, R"({"type":"/problems/malformed","title":"T","status":422,"detail":"d","code":"malformed",)"
                        R"("errors":[{"field":"version","message":"is missing"},{"field":"a\"b","message":"is \\"}]})");
}

}  // namespace
}  // namespace ota::http
