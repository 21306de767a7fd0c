#include "ota/base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "temp_dir.hpp"

namespace ota {
namespace {

std::string random_text(std::size_t size) {
  std::mt19937 random(1);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

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
  const auto file = File::open(dir / "none", O_RDONLY);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::not_found);
  EXPECT_NE(file.error().message.find("/none"), std::string::npos);
  EXPECT_EQ(File::open(dir.path(), O_WRONLY).error().code, Errc::server_fault);
  EXPECT_EQ(File::temporary(dir / "none", "x").error().code, Errc::not_found);
}

TEST(File, AUnreadableMediumIsDamage) { EXPECT_EQ(io_error(EIO, "read", "/x").code, Errc::image_damaged); }

TEST(File, ReadsAndWritesAnywhere) {
  TempDir dir;
  auto file = File::temporary(dir.path(), "x");
  ASSERT_TRUE(file);
  const auto bytes = random_text(100'000);
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

TEST(File, ReadsOnlyRegularFilesAndNeverWaits) {
  TempDir dir;
  const auto fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& path : {fifo, dir.path().string(), std::string("/dev/zero"), std::string("/dev/null")}) {
    const auto text = read_file(path, 1000);
    ASSERT_FALSE(text) << path;
    EXPECT_EQ(text.error().message, path + " is no regular file");
    EXPECT_TRUE(is_special(path));
  }
  EXPECT_FALSE(is_special(dir / "none"));
  EXPECT_FALSE(is_special(dir.file("some", "x")));
  EXPECT_EQ(read_file("/proc/self/oom_score_adj", 1000)->back(), '\n') << "its size is said to be 0";
  EXPECT_EQ(read_file("/proc/self/mountinfo", 1).error().code, Errc::too_large);
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 20'000}) {
    const auto text = random_text(size);
    const auto file = dir.file("some", text);
    EXPECT_EQ(*read_file(file, size), text);
    EXPECT_EQ(*read_file(file, size + 10'000), text);
  }
  EXPECT_EQ(read_file(dir.file("some", "1234"), 3).error().code, Errc::too_large);
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

TEST(File, IsLockedByOneAlone) {
  TempDir dir;
  const auto open = [&] { return *File::open(dir / "lock", O_RDWR | O_CREAT); };
  auto first = open();
  const auto second = open();
  EXPECT_TRUE(*first.lock());
  EXPECT_FALSE(*second.lock());
  first = File();
  EXPECT_TRUE(*second.lock()) << "closing lets go of it";
}

TEST(File, WritesDurably) {
  TempDir dir;
  const auto path = dir / "small";
  ASSERT_TRUE(write_durably(path, "one", 0600));
  EXPECT_EQ(content_of(path), "one");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  ASSERT_TRUE(write_durably(path, "", 0600));
  EXPECT_EQ(content_of(path), "");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_EQ(write_durably(dir / "none/small", "x", 0600).error().code, Errc::not_found);
  ASSERT_EQ(::symlink("/dev/null", (path + ".new").c_str()), 0);
  EXPECT_FALSE(write_durably(path, "x", 0600)) << "follows no link that somebody put there";
  EXPECT_EQ(content_of(path), "");
}

}  // namespace
}  // namespace ota
