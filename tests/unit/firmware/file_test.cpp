#include "firmware/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

TEST(File, SaysThatTheDiskIsFullAndHowMuchIsFree) {
  const auto file = File::open("/dev/full", O_WRONLY);
  ASSERT_TRUE(file);
  const auto written = file->write_at(std::string_view("x"), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::disk_full);
  EXPECT_NE(written.error().message.find("/dev takes no more"), std::string::npos) << written.error().message;
  EXPECT_NE(written.error().message.find("bytes free"), std::string::npos) << written.error().message;
}

TEST(File, NamesWhatIsMissing) {
  TempDir dir;
  const auto file = File::open(dir.path() / "none", O_RDONLY);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::not_found);
  EXPECT_NE(file.error().message.find("/none"), std::string::npos);
  EXPECT_EQ(File::open(dir.path(), O_WRONLY).error().code, Errc::server_fault);
  EXPECT_EQ(File::temporary(dir.path() / "none", "x").error().code, Errc::not_found);
}

TEST(File, AUnreadableMediumIsDamage) { EXPECT_EQ(io_error(EIO, "read", "/x").code, Errc::image_damaged); }

TEST(File, ReadsAndWritesAnywhere) {
  TempDir dir;
  auto file = File::temporary(dir.path(), "x");
  ASSERT_TRUE(file);
  const auto bytes = random_image(100'000);
  ASSERT_TRUE(file->write_at(bytes, 5000));
  EXPECT_EQ(*file->size(), 105'000u);
  std::string read(200'000, 'x');
  EXPECT_EQ(*read_at(file->descriptor(), read, 5000, file->path()), 100'000u);
  EXPECT_EQ(read.substr(0, 100'000), bytes);
  EXPECT_EQ(*read_at(file->descriptor(), read, 105'000, file->path()), 0u);
  EXPECT_EQ(*read_file(file->path(), 105'000), std::string(5000, '\0') + bytes);
  EXPECT_EQ(read_file(file->path(), 104'999).error().code, Errc::too_large);
  struct stat status {};
  ASSERT_EQ(::stat(file->path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0640u);
}

TEST(File, ClosesItsDescriptorOnce) {
  TempDir dir;
  auto first = File::temporary(dir.path(), "x");
  const int fd = first->descriptor();
  {
    File second = std::move(*first);
    EXPECT_EQ(first->descriptor(), -1);
    EXPECT_EQ(second.descriptor(), fd);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

}  // namespace
}  // namespace ota::firmware
