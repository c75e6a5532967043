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

template <typename Block>
void scaleOnly(const uint8_t* block, float* scales, float*) {
  scales[0] = floatFromHalf(blockAt<Block>(block).d);
}

template <typename Block>
void scaleAndMinimum(const uint8_t* block, float* scales, float* zeros) {
  scales[0] = floatFromHalf(blockAt<Block>(block).d);
  zeros[0] = floatFromHalf(blockAt<Block>(block).m);
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

void parametersQ2_K(const uint8_t* block, float* scales, float* zeros) {
  const auto& from = blockAt<BlockQ2_K>(block);
  for (size_t j = 0; j < 16; ++j) {
    scales[j] = floatFromHalf(from.d) * static_cast<float>(from.scales[j] & 15);
    zeros[j] = -(floatFromHalf(from.dmin) * static_cast<float>(from.scales[j] >> 4));
  }
}

void setQ2_K(uint8_t* block, const uint8_t* codes) { packPairs(codes, blockAt<BlockQ2_K>(block).qs); }

void parametersQ3_K(const uint8_t* block, float* scales, float*) {
  const auto& from = blockAt<BlockQ3_K>(block);
  for (int j = 0; j < 16; ++j) scales[j] = floatFromHalf(from.d) * static_cast<float>(scaleQ3_K(from.scales, j));
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
void scalesAndMinimums(const uint8_t* block, float* scales, float* zeros) {
  const auto& from = blockAt<Block>(block);
  for (int j = 0; j < 8; ++j) {
    uint8_t scale;
    uint8_t min;
    unpackScaleMin(from.scales, j, scale, min);
    scales[j] = floatFromHalf(from.d) * scale;
    zeros[j] = -(floatFromHalf(from.dmin) * min);
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

void parametersQ6_K(const uint8_t* block, float* scales, float*) {
  const auto& from = blockAt<BlockQ6_K>(block);
  for (size_t j = 0; j < 16; ++j) scales[j] = floatFromHalf(from.d) * from.scales[j];
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

void parametersIQ4_XS(const uint8_t* block, float* scales, float*) {
  const auto& from = blockAt<BlockIQ4_XS>(block);
  for (int j = 0; j < 8; ++j) {
    const int low = (from.scales_l[j / 2] >> (4 * (j % 2))) & 15;
    const int high = (from.scales_h >> (2 * j)) & 3;
    scales[j] = floatFromHalf(from.d) * static_cast<float>((low | (high << 4)) - 32);
  }
}

void setIQ4_XS(uint8_t* block, const uint8_t* codes) {
  for (size_t j = 0; j < 8; ++j) packNibbles(codes + 32 * j, 32, blockAt<BlockIQ4_XS>(block).qs + 16 * j);
}

void parametersMXFP4(const uint8_t* block, float* scales, float*) {
  scales[0] = std::ldexp(1.0f, static_cast<int>(blockAt<BlockMXFP4>(block).e) - 127);
}

void parametersNVFP4(const uint8_t* block, float* scales, float*) {
  for (size_t j = 0; j < 4; ++j) scales[j] = floatFromFp8(blockAt<BlockNVFP4>(block).d[j] & 0x7f, kE4M3);
}

void setNVFP4(uint8_t* block, const uint8_t* codes) {
  for (size_t j = 0; j < 4; ++j) packNibbles(codes + 16 * j, 16, blockAt<BlockNVFP4>(block).qs + 8 * j);
}

constexpr BlockParts kParts[] = {
    {"Q4_0", kBlock, sizeof(BlockQ4_0), kBlock, false, scaleOnly<BlockQ4_0>, setNibbles<BlockQ4_0, 8>},
    {"Q4_1", kBlock, sizeof(BlockQ4_1), kBlock, true, scaleAndMinimum<BlockQ4_1>, setNibbles<BlockQ4_1, 0>},
    {"Q5_0", kBlock, sizeof(BlockQ5_0), kBlock, false, scaleOnly<BlockQ5_0>, setFiveBits<BlockQ5_0, 16>},
    {"Q5_1", kBlock, sizeof(BlockQ5_1), kBlock, true, scaleAndMinimum<BlockQ5_1>, setFiveBits<BlockQ5_1, 0>},
    {"Q8_0", kBlock, sizeof(BlockQ8_0), kBlock, false, scaleOnly<BlockQ8_0>, setQ8_0},
    {"Q2_K", kSuperBlock, sizeof(BlockQ2_K), 16, true, parametersQ2_K, setQ2_K},
    {"Q3_K", kSuperBlock, sizeof(BlockQ3_K), 16, false, parametersQ3_K, setQ3_K},
    {"Q4_K", kSuperBlock, sizeof(BlockQ4_K), 32, true, scalesAndMinimums<BlockQ4_K>, setLowNibbles<BlockQ4_K>},
    {"Q5_K", kSuperBlock, sizeof(BlockQ5_K), 32, true, scalesAndMinimums<BlockQ5_K>, setQ5_K},
    {"Q6_K", kSuperBlock, sizeof(BlockQ6_K), 16, false, parametersQ6_K, setQ6_K},
    {"IQ4_NL", kBlock, sizeof(BlockIQ4_NL), kBlock, false, scaleOnly<BlockIQ4_NL>, setNibbles<BlockIQ4_NL, 0>},
    {"IQ4_XS", kSuperBlock, sizeof(BlockIQ4_XS), 32, false, parametersIQ4_XS, setIQ4_XS},
    {"MXFP4", kBlock, sizeof(BlockMXFP4), kBlock, false, parametersMXFP4, setNibbles<BlockMXFP4, 0>},
    {"NVFP4", 64, sizeof(BlockNVFP4), 16, false, parametersNVFP4, setNVFP4},
};

}  // namespace

const BlockParts* blockPartsOf(std::string_view type) {
  for (const BlockParts& parts : kParts) {
    if (parts.name == type) return &parts;
  }
  return nullptr;
}

}  // namespace qs
