#include "otactl/event_parser.hpp"

#include <gtest/gtest.h>

namespace ota::otactl {
namespace {

TEST(EventParser, TakesEventsApartHoweverTheyAreCut) {
  const std::string stream =
      "retry: 3000\n\n: a comment\n\nid: 7\ndata: {\"a\": 1}\n\n"
      "id:8\r\nevent: gap\r\ndata:x\r\ndata:y\r\n\r\ndata: z\n\nid: 9\n";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    EventParser parser;
    std::vector<Event> events;
    for (std::size_t from = 0; from < stream.size(); from += size)
      for (auto& event : parser.feed(std::string_view(stream).substr(from, size))) events.push_back(std::move(event));
    ASSERT_EQ(events.size(), 3u) << size;
    EXPECT_EQ(events[0].id, "7");
    EXPECT_EQ(events[0].data, "{\"a\": 1}");
    EXPECT_EQ(events[0].type, "");
    EXPECT_EQ(events[1].id, "8");
    EXPECT_EQ(events[1].type, "gap");
    EXPECT_EQ(events[1].data, "x\ny");
    EXPECT_EQ(events[2].id, "8");  // the last one that came
    EXPECT_EQ(events[2].type, "");
    EXPECT_EQ(events[2].data, "z");
  }
}

TEST(EventParser, BoundsALineWithoutAnEnd) {
  EventParser parser;
  EXPECT_TRUE(parser.feed("data: ").empty());
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(parser.feed(std::string(1 << 16, 'x')).empty());
  const auto events = parser.feed("\n\n");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_LE(events[0].data.size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace ota::otactl
