// Runs a target over its corpus, and over small changes to each of its files: `fuzz_replay TARGET FOLDER [CHANGES]`.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/target.hpp"
#include "ota/base/log.hpp"
#include "ota/base/settings.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> read_all(const fs::path& folder) {
  std::vector<std::string> texts;
  for (const auto& file : fs::directory_iterator(folder)) {
    std::ifstream in(file.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

std::string changed(std::string text, const std::vector<std::string>& corpus, std::mt19937& random) {
  for (auto edits = 1 + random() % 4; edits > 0; --edits) {
    const auto at = random() % (text.size() + 1);
    switch (random() % 5) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(random()));
        break;
      case 2:
        text.erase(at, 1 + random() % 8);
        break;
      case 3:
        text.resize(at);
        break;
      default: {
        const auto& other = corpus[random() % corpus.size()];
        const auto from = random() % (other.size() + 1);
        text.insert(at, other.substr(from, random() % 32));
      }
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const auto* target = argc > 2 ? ota::fuzz::find_target(argv[1]) : nullptr;
  if (target == nullptr) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET FOLDER [CHANGES]\n");
    return 2;
  }
  const auto corpus = read_all(argv[2]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus\n", argv[2]);
    return 1;
  }
  ota::LogSettings quiet;
  quiet.file = "/dev/null";
  if (!ota::log::configure(quiet)) return 1;
  std::mt19937 random(17);
  const int changes = argc > 3 ? std::stoi(argv[3]) : 200;
  for (const auto& text : corpus) {
    target->run(text);
    for (int i = 0; i < changes; ++i) target->run(changed(text, corpus, random));
  }
  std::printf("%zu files, %zu changed ones\n", corpus.size(), corpus.size() * static_cast<std::size_t>(changes));
  return 0;
}
