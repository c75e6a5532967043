#include "block_parts.h"

#include <cstring>

#include "blocks.h"
#include "floats.h"
#include "kpacking.h"

namespace qs {
namespace {

template <typename Block>
const Block& blockAt(const uint8_t* at) {
  return *reinterpret_cast<const Block*>(at);
}
template <typename Block>
Block& blockAt(uint8_t* at) {
  return *reinterpret_cast<Block*>(at);
}

/// Signed codes as stored, without the bias of the type.
template <int kBias, size_t kCount>
void biased(const uint8_t* codes, uint8_t* stored) {
  for (size_t i = 0; i < kCount; ++i) stored[i] = static_cast<uint8_t>(codes[i] + kBias);
}

/// Low nibbles hold the first half of the weights, high ones the second.
void packNibbles(const uint8_t* codes, size_t count, uint8_t* packed) {
  for (size_t i = 0; i < count / 2; ++i) {
    packed[i] = static_cast<uint8_t>((codes[i] & 15) | ((codes[i + count / 2] & 15) << 4));
  }
}

void packFifths(const uint8_t* codes, uint8_t* qh) {
  std::memset(qh, 0, 4);
  for (size_t i = 0; i < kBlock; ++i) qh[i / 8] = static_cast<uint8_t>(qh[i / 8] | ((codes[i] >> 4 & 1) << (i % 8)));
}

/// One half for each block.
template <typename Block>
BlockScales readScale(const uint8_t* block) {
  return {floatFromHalf(blockAt<Block>(block).d), 0.0f, {1}, {}};
}

template <typename Block>
void writeScale(uint8_t* block, const BlockScales& scales) {
  blockAt<Block>(block).d = halfFromFloat(scales.d);
}

template <typename Block>
BlockScales readScaleAndMinimum(const uint8_t* block) {
  const auto& from = blockAt<Block>(block);
  return {floatFromHalf(from.d), floatFromHalf(from.m), {1}, {1}};
}

template <typename Block>
void writeScaleAndMinimum(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<Block>(block);
  to.d = halfFromFloat(scales.d);
  to.m = halfFromFloat(scales.m);
}

template <typename Block, int kBias>
void setNibbles(uint8_t* block, const uint8_t* codes) {
  uint8_t stored[kBlock];
  biased<kBias, kBlock>(codes, stored);
  packNibbles(stored, kBlock, blockAt<Block>(block).qs);
}

template <typename Block, int kBias>
void setFiveBits(uint8_t* block, const uint8_t* codes) {
  setNibbles<Block, kBias>(block, codes);
  uint8_t stored[kBlock];
  biased<kBias, kBlock>(codes, stored);
  packFifths(stored, blockAt<Block>(block).qh);
}

void setQ8_0(uint8_t* block, const uint8_t* codes) { std::memcpy(blockAt<BlockQ8_0>(block).qs, codes, kBlock); }

BlockScales readQ2_K(const uint8_t* block) {
  const auto& from = blockAt<BlockQ2_K>(block);
  BlockScales scales{floatFromHalf(from.d), -floatFromHalf(from.dmin), {}, {}};
  for (size_t j = 0; j < 16; ++j) {
    scales.scales[j] = from.scales[j] & 15;
    scales.minimums[j] = from.scales[j] >> 4;
  }
  return scales;
}

void writeQ2_K(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<BlockQ2_K>(block);
  to.d = halfFromFloat(scales.d);
  to.dmin = halfFromFloat(-scales.m);
  for (size_t j = 0; j < 16; ++j) to.scales[j] = static_cast<uint8_t>(scales.scales[j] | (scales.minimums[j] << 4));
}

void setQ2_K(uint8_t* block, const uint8_t* codes) { packPairs(codes, blockAt<BlockQ2_K>(block).qs); }

BlockScales readQ3_K(const uint8_t* block) {
  const auto& from = blockAt<BlockQ3_K>(block);
  BlockScales scales{floatFromHalf(from.d), 0.0f, {}, {}};
  for (int j = 0; j < 16; ++j) scales.scales[j] = scaleQ3_K(from.scales, j);
  return scales;
}

void writeQ3_K(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<BlockQ3_K>(block);
  to.d = halfFromFloat(scales.d);
  packScalesQ3_K(to.scales, scales.scales);
}

void setQ3_K(uint8_t* block, const uint8_t* codes) {
  auto& to = blockAt<BlockQ3_K>(block);
  uint8_t stored[kSuperBlock];
  uint8_t low[kSuperBlock];
  biased<4, kSuperBlock>(codes, stored);
  std::memset(to.hmask, 0, sizeof to.hmask);
  for (size_t i = 0; i < kSuperBlock; ++i) {
    low[i] = stored[i] & 3;
    to.hmask[i % 32] = static_cast<uint8_t>(to.hmask[i % 32] | ((stored[i] >> 2) << (i / 32)));
  }
  packPairs(low, to.qs);
}

/// Q4_K and Q5_K: six-bit scales and minimums.
template <typename Block>
BlockScales readSixBits(const uint8_t* block) {
  const auto& from = blockAt<Block>(block);
  BlockScales scales{floatFromHalf(from.d), -floatFromHalf(from.dmin), {}, {}};
  for (int j = 0; j < 8; ++j) {
    uint8_t scale;
    uint8_t min;
    unpackScaleMin(from.scales, j, scale, min);
    scales.scales[j] = scale;
    scales.minimums[j] = min;
  }
  return scales;
}

template <typename Block>
void writeSixBits(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<Block>(block);
  to.d = halfFromFloat(scales.d);
  to.dmin = halfFromFloat(-scales.m);
  for (int j = 0; j < 8; ++j) {
    packScaleMin(to.scales, j, static_cast<uint8_t>(scales.scales[j]), static_cast<uint8_t>(scales.minimums[j]));
  }
}

template <typename Block>
void setLowNibbles(uint8_t* block, const uint8_t* codes) {
  for (size_t j = 0; j < 4; ++j) packNibbles(codes + 64 * j, 64, blockAt<Block>(block).qs + 32 * j);
}

void setQ5_K(uint8_t* block, const uint8_t* codes) {
  setLowNibbles<BlockQ5_K>(block, codes);
  auto& to = blockAt<BlockQ5_K>(block);
  std::memset(to.qh, 0, sizeof to.qh);
  for (size_t i = 0; i < kSuperBlock; ++i) to.qh[i % 32] = static_cast<uint8_t>(to.qh[i % 32] | ((codes[i] >> 4 & 1) << (i / 32)));
}

BlockScales readQ6_K(const uint8_t* block) {
  const auto& from = blockAt<BlockQ6_K>(block);
  BlockScales scales{floatFromHalf(from.d), 0.0f, {}, {}};
  for (size_t j = 0; j < 16; ++j) scales.scales[j] = from.scales[j];
  return scales;
}

void writeQ6_K(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<BlockQ6_K>(block);
  to.d = halfFromFloat(scales.d);
  for (size_t j = 0; j < 16; ++j) to.scales[j] = static_cast<int8_t>(scales.scales[j]);
}

void setQ6_K(uint8_t* block, const uint8_t* codes) {
  auto& to = blockAt<BlockQ6_K>(block);
  uint8_t stored[kSuperBlock];
  biased<32, kSuperBlock>(codes, stored);
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* from = stored + 128 * half;
    for (size_t i = 0; i < 64; ++i) {
      to.ql[64 * half + i] = static_cast<uint8_t>((from[i] & 15) | ((from[i + 64] & 15) << 4));
    }
    for (size_t i = 0; i < 32; ++i) {
      to.qh[32 * half + i] = static_cast<uint8_t>((from[i] >> 4) | ((from[i + 32] >> 4) << 2) | ((from[i + 64] >> 4) << 4) |
                                                  ((from[i + 96] >> 4) << 6));
    }
  }
}

BlockScales readIQ4_XS(const uint8_t* block) {
  const auto& from = blockAt<BlockIQ4_XS>(block);
  BlockScales scales{floatFromHalf(from.d), 0.0f, {}, {}};
  for (int j = 0; j < 8; ++j) {
    const int low = (from.scales_l[j / 2] >> (4 * (j % 2))) & 15;
    const int high = (from.scales_h >> (2 * j)) & 3;
    scales.scales[j] = (low | (high << 4)) - 32;
  }
  return scales;
}

void writeIQ4_XS(uint8_t* block, const BlockScales& scales) {
  auto& to = blockAt<BlockIQ4_XS>(block);
  to.d = halfFromFloat(scales.d);
  to.scales_h = 0;
  std::memset(to.scales_l, 0, sizeof to.scales_l);
  for (int j = 0; j < 8; ++j) {
    const int code = scales.scales[j] + 32;
    to.scales_l[j / 2] = static_cast<uint8_t>(to.scales_l[j / 2] | ((code & 15) << (4 * (j % 2))));
    to.scales_h = static_cast<uint16_t>(to.scales_h | ((code >> 4) << (2 * j)));
  }
}

void setIQ4_XS(uint8_t* block, const uint8_t* codes) {
  for (size_t j = 0; j < 8; ++j) packNibbles(codes + 32 * j, 32, blockAt<BlockIQ4_XS>(block).qs + 16 * j);
}

float powerOfTwo(int code) { return std::ldexp(1.0f, code - 127); }
float e4m3(int code) { return floatFromFp8(static_cast<uint8_t>(code), kE4M3); }

BlockScales readMXFP4(const uint8_t* block) { return {1.0f, 0.0f, {blockAt<BlockMXFP4>(block).e}, {}}; }

void writeMXFP4(uint8_t* block, const BlockScales& scales) {
  blockAt<BlockMXFP4>(block).e = static_cast<uint8_t>(scales.scales[0]);
}

BlockScales readNVFP4(const uint8_t* block) {
  BlockScales scales{1.0f, 0.0f, {}, {}};
  for (size_t j = 0; j < 4; ++j) scales.scales[j] = blockAt<BlockNVFP4>(block).d[j] & 0x7f;
  return scales;
}

void writeNVFP4(uint8_t* block, const BlockScales& scales) {
  for (size_t j = 0; j < 4; ++j) blockAt<BlockNVFP4>(block).d[j] = static_cast<uint8_t>(scales.scales[j]);
}

void setNVFP4(uint8_t* block, const uint8_t* codes) {
  for (size_t j = 0; j < 4; ++j) packNibbles(codes + 16 * j, 16, blockAt<BlockNVFP4>(block).qs + 8 * j);
}

constexpr ScaleCodes kHalf{true, false, 1, 1, 1, 1, nullptr};
constexpr ScaleCodes kHalves{true, true, 1, 1, 1, 1, nullptr};
constexpr ScaleCodes kFourBits{true, true, 0, 15, 0, 15, nullptr};
constexpr ScaleCodes kSixBits{true, true, 0, 63, 0, 63, nullptr};
constexpr ScaleCodes kSignedSixBits{true, false, -32, 31, 0, 0, nullptr};
constexpr ScaleCodes kSignedBytes{true, false, -128, 127, 0, 0, nullptr};
constexpr ScaleCodes kExponents{false, false, 0, 254, 0, 0, powerOfTwo};
constexpr ScaleCodes kFloats{false, false, 0, 126, 0, 0, e4m3};

constexpr BlockParts kParts[] = {
    {"Q4_0", kBlock, sizeof(BlockQ4_0), kBlock, kHalf, readScale<BlockQ4_0>, writeScale<BlockQ4_0>, setNibbles<BlockQ4_0, 8>},
    {"Q4_1", kBlock, sizeof(BlockQ4_1), kBlock, kHalves, readScaleAndMinimum<BlockQ4_1>, writeScaleAndMinimum<BlockQ4_1>,
     setNibbles<BlockQ4_1, 0>},
    {"Q5_0", kBlock, sizeof(BlockQ5_0), kBlock, kHalf, readScale<BlockQ5_0>, writeScale<BlockQ5_0>, setFiveBits<BlockQ5_0, 16>},
    {"Q5_1", kBlock, sizeof(BlockQ5_1), kBlock, kHalves, readScaleAndMinimum<BlockQ5_1>, writeScaleAndMinimum<BlockQ5_1>,
     setFiveBits<BlockQ5_1, 0>},
    {"Q8_0", kBlock, sizeof(BlockQ8_0), kBlock, kHalf, readScale<BlockQ8_0>, writeScale<BlockQ8_0>, setQ8_0},
    {"Q2_K", kSuperBlock, sizeof(BlockQ2_K), 16, kFourBits, readQ2_K, writeQ2_K, setQ2_K},
    {"Q3_K", kSuperBlock, sizeof(BlockQ3_K), 16, kSignedSixBits, readQ3_K, writeQ3_K, setQ3_K},
    {"Q4_K", kSuperBlock, sizeof(BlockQ4_K), 32, kSixBits, readSixBits<BlockQ4_K>, writeSixBits<BlockQ4_K>,
     setLowNibbles<BlockQ4_K>},
    {"Q5_K", kSuperBlock, sizeof(BlockQ5_K), 32, kSixBits, readSixBits<BlockQ5_K>, writeSixBits<BlockQ5_K>, setQ5_K},
    {"Q6_K", kSuperBlock, sizeof(BlockQ6_K), 16, kSignedBytes, readQ6_K, writeQ6_K, setQ6_K},
    {"IQ4_NL", kBlock, sizeof(BlockIQ4_NL), kBlock, kHalf, readScale<BlockIQ4_NL>, writeScale<BlockIQ4_NL>,
     setNibbles<BlockIQ4_NL, 0>},
    {"IQ4_XS", kSuperBlock, sizeof(BlockIQ4_XS), 32, kSignedSixBits, readIQ4_XS, writeIQ4_XS, setIQ4_XS},
    {"MXFP4", kBlock, sizeof(BlockMXFP4), kBlock, kExponents, readMXFP4, writeMXFP4, setNibbles<BlockMXFP4, 0>},
    {"NVFP4", 64, sizeof(BlockNVFP4), 16, kFloats, readNVFP4, writeNVFP4, setNVFP4},
};

}  // namespace

const BlockParts* blockPartsOf(std::string_view type) {
  for (const BlockParts& parts : kParts) {
    if (parts.name == type) return &parts;
  }
  return nullptr;
}

}  // namespace qs
