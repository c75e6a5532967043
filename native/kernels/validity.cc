#include "validity.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace qs {
namespace {

constexpr uint32_t kHalf = 0x7c00;
constexpr uint32_t kTop = 0x7f80;  // of the upper half of a float32, and of bfloat16

uint32_t wordAt(const uint8_t* data) { return static_cast<uint32_t>(data[0] | data[1] << 8); }

/// Where a block has 16-bit words whose exponent, all ones, means NaN or infinity (block layouts of ggml-common.h).
struct Exponents {
  std::string_view name;
  uint32_t mask;
  size_t first;
  size_t second;  // equal to the first where there is only one
};

constexpr Exponents kExponents[] = {
    {"F32", kTop, 2, 2},         {"BF16", kTop, 0, 0},        {"F16", kHalf, 0, 0},       {"Q1_0", kHalf, 0, 0},
    {"Q2_0", kHalf, 0, 0},       {"Q4_0", kHalf, 0, 0},       {"Q4_1", kHalf, 0, 2},      {"Q5_0", kHalf, 0, 0},
    {"Q5_1", kHalf, 0, 2},       {"Q8_0", kHalf, 0, 0},       {"Q2_K", kHalf, 80, 82},    {"Q3_K", kHalf, 108, 108},
    {"Q4_K", kHalf, 0, 2},       {"Q5_K", kHalf, 0, 2},       {"Q6_K", kHalf, 208, 208},  {"IQ1_S", kHalf, 0, 0},
    {"IQ2_XXS", kHalf, 0, 0},    {"IQ2_XS", kHalf, 0, 0},     {"IQ2_S", kHalf, 0, 0},     {"IQ3_XXS", kHalf, 0, 0},
    {"IQ3_S", kHalf, 0, 0},      {"IQ4_NL", kHalf, 0, 0},     {"IQ4_XS", kHalf, 0, 0},    {"TQ1_0", kHalf, 52, 52},
    {"TQ2_0", kHalf, 64, 64},    {"MXFP4", 0xff, 0, 0},  // an exponent of eight ones is NaN
};

/// IQ1_M spreads its half-precision scale over the top four bits of four words.
bool isInvalidIq1m(const uint8_t* block) {
  constexpr size_t kScales = 48;
  uint32_t scale = 0;
  for (size_t i = 0; i < 4; ++i) scale |= (wordAt(block + kScales + 2 * i) >> 12) << (4 * i);
  return (scale & kHalf) == kHalf;
}

/// Checks runs of blocks without branches, which compilers vectorize for plain numbers.
template <typename IsInvalid>
size_t firstOf(size_t blocks, const IsInvalid& isInvalid) {
  constexpr size_t kRun = 1024;
  for (size_t start = 0; start < blocks; start += kRun) {
    const size_t end = std::min(blocks, start + kRun);
    uint32_t bad = 0;
    for (size_t i = start; i < end; ++i) bad |= isInvalid(i) ? 1u : 0u;
    for (size_t i = start; bad != 0 && i < end; ++i) {
      if (isInvalid(i)) return i;
    }
  }
  return blocks;
}

}  // namespace

size_t firstInvalidBlock(const Codec& codec, const uint8_t* data, size_t blocks) {
  const std::string_view name = codec.name;
  const size_t bytes = codec.bytes;
  if (name == "IQ1_M") return firstOf(blocks, [=](size_t i) { return isInvalidIq1m(data + i * bytes); });
  const auto* where = std::find_if(std::begin(kExponents), std::end(kExponents),
                                   [&](const Exponents& candidate) { return candidate.name == name; });
  if (where == std::end(kExponents)) return blocks;
  const uint32_t mask = where->mask;
  const size_t first = where->first;
  const size_t second = where->second;
  if (bytes == 2) return firstOf(blocks, [=](size_t i) { return (wordAt(data + 2 * i) & mask) == mask; });
  return firstOf(blocks, [=](size_t i) {
    const uint8_t* block = data + i * bytes;
    return (wordAt(block + first) & mask) == mask || (wordAt(block + second) & mask) == mask;
  });
}

}  // namespace qs
