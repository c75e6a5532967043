#include "iq2.h"

#include <cstring>

#include "blocks.h"
#include "floats.h"
#include "lattice.h"
#include "signed_bytes.h"

namespace qs::QS_TARGET {
namespace {

constexpr float kNegligibleIQ2_S = 1e-8f;

/// Largest scale of a super-block so far, and the scales of its sub-blocks.
template <int kSubs>
struct Scales {
  float of[kSubs] = {};
  float largest = 0;
  void set(int j, float scale) {
    of[j] = scale;
    largest = largest > scale ? largest : scale;
  }
};

/// A negative scale is stored positive, with all signs flipped.
template <int kGroups, int kSigns>
QS_INLINE void makePositive(LatticeFit<kGroups>& fit, uint8_t (&signs)[kSigns], uint8_t mask) {
  if (!(fit.scale < 0)) return;
  fit.scale = -fit.scale;
  for (uint8_t& s : signs) s = static_cast<uint8_t>(~s & mask);
}

/// IQ2_XXS starts each search from a scale that fits the magnitudes alone; lanes are the sub-blocks.
void firstScales(const SubBlock<32>* subs, float* scales) {
  for (int first = 0; first < 8; first += kLanes) {
    const float* x[kLanes];
    const float* w[kLanes];
    for (int l = 0; l < kLanes; ++l) {
      const int j = first + l < 8 ? first + l : 7;
      x[l] = subs[j].x;
      w[l] = subs[j].w;
    }
    Runs<32> values;
    Runs<32> weights;
    loadRuns(x, 0, values);
    loadRuns(w, 0, weights);
    I32 codes[32];
    float found[kLanes];
    store(found, fitPositive<32, 4>(values.at, weights.at, codes));
    for (int l = 0; l < kLanes && first + l < 8; ++l) scales[first + l] = found[l];
  }
}

void encodeBlockIQ2_XXS(const float* x, const float* importance, BlockIQ2_XXS& block) {
  const Grid& grid = gridIQ2_XXS();
  const float sigma2 = sumOfSquares(x) / kSuperBlock;
  SubBlock<32> subs[8];
  for (int j = 0; j < 8; ++j) {
    weighByImportance<32>(x + 32 * j, importance + 32 * j, sigma2, subs[j].w);
    prepare<32, Signs::Even>(x + 32 * j, subs[j]);
  }
  float first[8];
  firstScales(subs, first);
  Scales<8> scales;
  uint32_t words[16] = {};
  for (int j = 0; j < 8; ++j) {
    const float reach = first[j] * 3;
    if (subs[j].largest < kNegligible || reach <= 0) continue;
    LatticeFit<4> fit = fitLattice<8, 32>(grid, subs[j], reach, first[j], {6, 0.1f}, Again::All);
    makePositive(fit, subs[j].signs, 127);
    for (int k = 0; k < 4; ++k) {
      words[2 * j] |= indexOf<8>(grid, fit.codes[k]) << (8 * k);
      words[2 * j + 1] |= static_cast<uint32_t>(subs[j].signs[k]) << (7 * k);
    }
    scales.set(j, fit.scale);
  }
  block.d = 0;
  if (scales.largest == 0.0f) {
    std::memset(block.qs, 0, sizeof block.qs);
    return;
  }
  const float d = scales.largest / 31;
  block.d = halfFromFloat(d);
  for (int j = 0; j < 8; ++j) words[2 * j + 1] |= static_cast<uint32_t>(oddScale(scales.of[j], 1 / d, 15)) << 28;
  std::memcpy(block.qs, words, sizeof block.qs);
}

/// Two four-bit scales to a byte.
QS_INLINE void packScales(const Scales<16>& scales, float inverse, uint8_t* packed) {
  for (int j = 0; j < 8; ++j) {
    const int low = oddScale(scales.of[2 * j], inverse, 15);
    packed[j] = static_cast<uint8_t>(low | (oddScale(scales.of[2 * j + 1], inverse, 15) << 4));
  }
}

void encodeBlockIQ2_XS(const float* x, const float* importance, BlockIQ2_XS& block) {
  const Grid& grid = gridIQ2_XS();
  const float sigma2 = sumOfSquares(x) / kSuperBlock;
  Scales<16> scales;
  std::memset(&block, 0, sizeof block);
  for (int j = 0; j < 16; ++j) {
    SubBlock<16> sub;
    weighByImportance<16>(x + 16 * j, importance + 16 * j, sigma2, sub.w);
    prepare<16, Signs::Even>(x + 16 * j, sub);
    if (sub.largest < kNegligible) continue;
    LatticeFit<2> fit = fitLattice<8, 16>(grid, sub, sub.largest, sub.largest / 5, {9, 0.1f}, Again::OffGrid);
    makePositive(fit, sub.signs, 127);
    for (int k = 0; k < 2; ++k) {
      block.qs[2 * j + k] = static_cast<uint16_t>(indexOf<8>(grid, fit.codes[k]) | (sub.signs[k] << 9));
    }
    scales.set(j, fit.scale);
  }
  if (scales.largest == 0.0f) {
    std::memset(block.qs, 0, sizeof block.qs);
    return;
  }
  const float d = scales.largest / 31;
  block.d = halfFromFloat(d);
  packScales(scales, 1 / d, block.scales);
}

void encodeBlockIQ2_S(const float* x, const float* importance, BlockIQ2_S& block) {
  const Grid& grid = gridIQ2_S();
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  Scales<16> scales;
  std::memset(&block, 0, sizeof block);
  for (int j = 0; j < 16; ++j) {
    SubBlock<16> sub;
    if (importance != nullptr) {
      weighByImportance<16>(x + 16 * j, importance + 16 * j, sigma2, sub.w);
    } else {
      for (int i = 0; i < 16; ++i) sub.w[i] = 0.25f * sigma2 + x[16 * j + i] * x[16 * j + i];
    }
    prepare<16, Signs::All>(x + 16 * j, sub);
    if (sub.largest < kNegligibleIQ2_S) continue;
    LatticeFit<2> fit = fitLattice<8, 16>(grid, sub, sub.largest, sub.largest / 5, {9, 0.1f}, Again::OffGrid);
    makePositive(fit, sub.signs, 255);
    for (int k = 0; k < 2; ++k) {
      const int group = 2 * j + k;
      const uint32_t index = indexOf<8>(grid, fit.codes[k]);
      block.qs[group] = static_cast<uint8_t>(index);
      block.qh[group / 4] = static_cast<uint8_t>(block.qh[group / 4] | ((index >> 8) << (2 * (group % 4))));
      block.qs[kSuperBlock / 8 + group] = sub.signs[k];
    }
    scales.set(j, fit.scale);
  }
  if (scales.largest == 0.0f) return;
  const float d = scales.largest / 31;
  block.d = halfFromFloat(d * 0.9875f);
  packScales(scales, 1 / d, block.scales);
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

/// The decoded values of the three levels, eight coordinates of a point to a word.
constexpr uint64_t kLevelValues[4] = {8, 25, 43, 0};

template <size_t N>
constexpr std::array<uint64_t, N> bytesOfPoints(const uint16_t* points) {
  std::array<uint64_t, N> bytes{};
  for (size_t i = 0; i < N; ++i) {
    for (int k = 0; k < 8; ++k) bytes[i] |= kLevelValues[(points[i] >> (2 * k)) & 3] << (8 * k);
  }
  return bytes;
}

QS_INLINE void put(int8_t* q, uint64_t bytes) { std::memcpy(q, &bytes, sizeof bytes); }

}  // namespace

void encodeIQ2_XXS(const float* x, void* out, Rows rows) { encodeBlocks<BlockIQ2_XXS, encodeBlockIQ2_XXS>(x, out, rows); }
void encodeIQ2_XS(const float* x, void* out, Rows rows) { encodeBlocks<BlockIQ2_XS, encodeBlockIQ2_XS>(x, out, rows); }
void encodeIQ2_S(const float* x, void* out, Rows rows) { encodeBlocks<BlockIQ2_S, encodeBlockIQ2_S>(x, out, rows); }

void decodeIQ2_XXS(const void* in, float* y, size_t n) {
  static const auto points = bytesOfPoints<256>(gridIQ2_XXS().points());
  const auto* block = static_cast<const BlockIQ2_XXS*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    float scales[8];
    for (int j = 0; j < 8; ++j) {
      uint32_t words[2];
      std::memcpy(words, block->qs + 4 * j, sizeof words);
      scales[j] = d * (0.5f + static_cast<float>(words[1] >> 28)) * 0.25f;
      for (int k = 0; k < 4; ++k) {
        const uint8_t signs = evenSigns((words[1] >> (7 * k)) & 127);
        put(q + 32 * j + 8 * k, withSigns(points[(words[0] >> (8 * k)) & 255], signs));
      }
    }
    for (int j = 0; j < 8; ++j, y += 32) scaleBytes<32>(q + 32 * j, scales[j], y);
  }
}

void decodeIQ2_XS(const void* in, float* y, size_t n) {
  static const auto points = bytesOfPoints<512>(gridIQ2_XS().points());
  const auto* block = static_cast<const BlockIQ2_XS*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    for (int k = 0; k < 32; ++k) put(q + 8 * k, withSigns(points[block->qs[k] & 511], evenSigns(block->qs[k] >> 9)));
    for (int j = 0; j < 16; ++j, y += 16) {
      const int scale = (block->scales[j / 2] >> (4 * (j % 2))) & 15;
      scaleBytes<16>(q + 16 * j, d * (0.5f + static_cast<float>(scale)) * 0.25f, y);
    }
  }
}

void decodeIQ2_S(const void* in, float* y, size_t n) {
  static const auto points = bytesOfPoints<1024>(gridIQ2_S().points());
  const auto* block = static_cast<const BlockIQ2_S*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    for (int k = 0; k < 32; ++k) {
      const int index = block->qs[k] | (((block->qh[k / 4] >> (2 * (k % 4))) & 3) << 8);
      put(q + 8 * k, withSigns(points[static_cast<size_t>(index)], block->qs[32 + k]));
    }
    for (int j = 0; j < 16; ++j, y += 16) {
      const int scale = (block->scales[j / 2] >> (4 * (j % 2))) & 15;
      scaleBytes<16>(q + 16 * j, d * (0.5f + static_cast<float>(scale)) * 0.25f, y);
    }
  }
}

}  // namespace qs::QS_TARGET
