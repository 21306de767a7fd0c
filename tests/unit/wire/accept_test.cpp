#include "ota/wire/accept.hpp"

#include <gtest/gtest.h>

namespace ota::wire {
namespace {

TEST(Negotiation, Csv) {
  EXPECT_TRUE(prefers_csv("text/csv"));
  EXPECT_TRUE(prefers_csv("Text/CSV; charset=utf-8, */*;q=0.1"));
  EXPECT_TRUE(prefers_csv("application/json;q=0.5, text/csv"));
  EXPECT_TRUE(prefers_csv("text/csv, application/json"));
  EXPECT_FALSE(prefers_csv("application/json, text/csv"));
  EXPECT_FALSE(prefers_csv("text/csv;q=0"));
  for (const auto* accept : {"", "*/*", "text/*", "application/json", ",", ";"}) EXPECT_FALSE(prefers_csv(accept));
}

TEST(Negotiation, Gzip) {
  for (const auto* accept : {"gzip", "deflate, GZIP", "*", "x-gzip;q=0.1", "br;q=1, gzip ; q=0.2"})
    EXPECT_TRUE(accepts_gzip(accept)) << accept;
  for (const auto* accept : {"", "identity", "gzip;q=0", "gzip;q=0, *", "gzip;q=abc", ",", ";"})
    EXPECT_FALSE(accepts_gzip(accept)) << accept;
}

}  // namespace
}  // namespace ota::wire
