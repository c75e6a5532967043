#include "iq3.h"

#include <cstring>

#include "blocks.h"
#include "floats.h"
#include "lattice.h"
#include "signed_bytes.h"

namespace qs::QS_TARGET {
namespace {

constexpr float kNegligibleIQ3_XXS = 1e-8f;

/// w = x², or importance · √(σ² + x²) with σ² = 2·Σx²/256.
QS_INLINE void weigh(const float* x, const float* importance, float sigma2, float* w) {
  if (importance != nullptr) return weighByImportance<32>(x, importance, sigma2, w);
  for (int i = 0; i < 32; ++i) w[i] = x[i] * x[i];
}

void encodeBlockIQ3_XXS(const float* x, const float* importance, BlockIQ3_XXS& block) {
  const Grid& grid = gridIQ3_XXS();
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  float scales[8] = {};
  float largest = 0;
  uint32_t words[8] = {};
  std::memset(&block, 0, sizeof block);
  for (int j = 0; j < 8; ++j) {
    SubBlock<32> sub;
    weigh(x + 32 * j, importance == nullptr ? nullptr : importance + 32 * j, sigma2, sub.w);
    prepare<32, Signs::Even>(x + 32 * j, sub);
    if (sub.largest < kNegligibleIQ3_XXS) continue;
    LatticeFit<8> fit = fitLattice<4, 32>(grid, sub, sub.largest, sub.largest / 15, {15, 0.2f}, Again::OffGrid);
    if (fit.scale < 0) {
      fit.scale = -fit.scale;
      for (uint8_t& signs : sub.signs) signs = ~signs & 127;
    }
    for (int k = 0; k < 8; ++k) block.qs[8 * j + k] = static_cast<uint8_t>(indexOf<4>(grid, fit.codes[k]));
    for (int k = 0; k < 4; ++k) words[j] |= static_cast<uint32_t>(sub.signs[k]) << (7 * k);
    scales[j] = fit.scale;
    largest = largest > fit.scale ? largest : fit.scale;
  }
  if (largest == 0.0f) {
    std::memset(&block, 0, sizeof block);
    return;
  }
  const float d = largest / 31;
  block.d = halfFromFloat(d * 1.0125f);
  for (int j = 0; j < 8; ++j) words[j] |= static_cast<uint32_t>(oddScale(scales[j], 1 / d, 15)) << 28;
  std::memcpy(block.qs + kSuperBlock / 4, words, sizeof words);
}

void encodeBlockIQ3_S(const float* x, const float* importance, BlockIQ3_S& block) {
  const Grid& grid = gridIQ3_S();
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  float scales[8] = {};
  float largest = 0;
  std::memset(&block, 0, sizeof block);
  // llama.cpp does not advance in qs and signs after a sub-block of zeros, so later ones are stored in its place and the
  // block decodes to other values. The bytes are the same here, and so is the flaw.
  int place = 0;
  for (int j = 0; j < 8; ++j) {
    SubBlock<32> sub;
    weigh(x + 32 * j, importance == nullptr ? nullptr : importance + 32 * j, sigma2, sub.w);
    prepare<32, Signs::All>(x + 32 * j, sub);
    if (sub.largest == 0.0f) continue;
    LatticeFit<8> fit = fitLattice<4, 32>(grid, sub, sub.largest, sub.largest / 15, {9, 0.2f}, Again::AllIfAnyOffGrid);
    if (fit.scale < 0) {
      fit.scale = -fit.scale;
      for (uint8_t& signs : sub.signs) signs = static_cast<uint8_t>(~signs);
    }
    uint32_t ninths = 0;
    for (int k = 0; k < 8; ++k) {
      const uint32_t index = indexOf<4>(grid, fit.codes[k]);
      block.qs[8 * place + k] = static_cast<uint8_t>(index);
      ninths |= (index >> 8) << k;
    }
    block.qh[j] = static_cast<uint8_t>(ninths);
    std::memcpy(block.signs + 4 * place, sub.signs, sizeof sub.signs);
    ++place;
    scales[j] = fit.scale;
    largest = largest > fit.scale ? largest : fit.scale;
  }
  if (largest == 0.0f) return;
  const float d = largest / 31;
  block.d = halfFromFloat(d * 1.033f);
  for (int j = 0; j < 4; ++j) {
    const int low = oddScale(scales[2 * j], 1 / d, 15);
    block.scales[j] = static_cast<uint8_t>(low | (oddScale(scales[2 * j + 1], 1 / d, 15) << 4));
  }
}

template <typename Block, void (*encode)(const float*, const float*, Block&)>
QS_INLINE void encodeBlocks(const float* x, void* out, Rows rows) {
  auto* target = static_cast<Block*>(out);
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t i = 0; i < blocks; ++i) {
    const float* importance = rows.importance == nullptr ? nullptr : rows.importance + i * kSuperBlock % rows.columns;
    encode(x + i * kSuperBlock, importance, target[i]);
  }
}

// The decoded values of the eight levels.
constexpr uint32_t kValuesIQ3_XXS[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr uint32_t kValuesIQ3_S[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/// The four coordinates of every point as the bytes of a word.
template <size_t N>
std::array<uint32_t, N> bytesOfPoints(const uint16_t* points, const uint32_t* values) {
  std::array<uint32_t, N> bytes{};
  for (size_t i = 0; i < N; ++i) {
    for (int k = 0; k < 4; ++k) bytes[i] |= values[(points[i] >> (3 * k)) & 7] << (8 * k);
  }
  return bytes;
}

/// Two points with eight signs.
QS_INLINE void put(int8_t* q, uint32_t first, uint32_t second, uint8_t signs) {
  const uint64_t bytes = withSigns(first | static_cast<uint64_t>(second) << 32, signs);
  std::memcpy(q, &bytes, sizeof bytes);
}

}  // namespace

void encodeIQ3_XXS(const float* x, void* out, Rows rows) { encodeBlocks<BlockIQ3_XXS, encodeBlockIQ3_XXS>(x, out, rows); }
void encodeIQ3_S(const float* x, void* out, Rows rows) { encodeBlocks<BlockIQ3_S, encodeBlockIQ3_S>(x, out, rows); }

void decodeIQ3_XXS(const void* in, float* y, size_t n) {
  static const auto points = bytesOfPoints<256>(gridIQ3_XXS().points(), kValuesIQ3_XXS);
  const auto* block = static_cast<const BlockIQ3_XXS*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    uint32_t words[8];
    std::memcpy(words, block->qs + kSuperBlock / 4, sizeof words);
    int8_t q[kSuperBlock];
    for (int k = 0; k < 32; ++k) {
      const uint8_t signs = evenSigns((words[k / 4] >> (7 * (k % 4))) & 127);
      put(q + 8 * k, points[block->qs[2 * k]], points[block->qs[2 * k + 1]], signs);
    }
    for (int j = 0; j < 8; ++j, y += 32) {
      scaleBytes<32>(q + 32 * j, d * (0.5f + static_cast<float>(words[j] >> 28)) * 0.5f, y);
    }
  }
}

void decodeIQ3_S(const void* in, float* y, size_t n) {
  static const auto points = bytesOfPoints<512>(gridIQ3_S().points(), kValuesIQ3_S);
  const auto* block = static_cast<const BlockIQ3_S*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    for (int k = 0; k < 32; ++k) {
      const auto point = [&](int group) {
        return points[static_cast<size_t>(block->qs[group] | (((block->qh[group / 8] >> (group % 8)) & 1) << 8))];
      };
      put(q + 8 * k, point(2 * k), point(2 * k + 1), block->signs[k]);
    }
    for (int j = 0; j < 8; ++j, y += 32) {
      const int scale = (block->scales[j / 2] >> (4 * (j % 2))) & 15;
      scaleBytes<32>(q + 32 * j, d * static_cast<float>(1 + 2 * scale), y);
    }
  }
}

}  // namespace qs::QS_TARGET
