#include "kquants.h"

#include <cmath>
#include <cstring>

#include "blocks.h"
#include "fits.h"
#include "floats.h"

namespace qs::QS_TARGET {
namespace {

QS_INLINE float largerOf(float a, float b) { return a > b ? a : b; }
QS_INLINE int limited(int value, int smallest, int largest) {
  return value < smallest ? smallest : value > largest ? largest : value;
}

// ---- Types with a scale and a minimum per sub-block: Q2_K, Q4_K, Q5_K

/// What the fits of a batch found, per sub-block and super-block.
template <int kSubs>
struct AffineParts {
  float scale[kSubs][kLanes];
  float minimum[kSubs][kLanes];
  float inverse[kSubs][kLanes];
  float base[kSubs][kLanes];
};

/// The scales and minima as integers, and what they are multiplied with.
template <int kSubs>
struct StoredScales {
  float d[kLanes];
  float dmin[kLanes];
  uint8_t scale[kSubs][kLanes];
  uint8_t minimum[kSubs][kLanes];
};

/// How a type weighs its squared (or absolute) errors without importance weights.
enum class Weighting { RmsPlusMagnitude, Magnitude };

template <Weighting kWeighting, int N>
QS_INLINE void ownWeights(const F32* x, F32* w) {
  F32 base = zeroFloats();
  if constexpr (kWeighting == Weighting::RmsPlusMagnitude) {
    for (int i = 0; i < N; ++i) base = base + x[i] * x[i];
    base = squareRoot(base / splat(static_cast<float>(N)));
    for (int i = 0; i < N; ++i) w[i] = base + magnitude(x[i]);
  } else {
    for (int i = 0; i < N; ++i) w[i] = magnitude(x[i]);
  }
}

template <int kSubs>
QS_INLINE void storeFit(const AffineFit& fit, int j, AffineParts<kSubs>& parts) {
  store(parts.scale[j], fit.scale);
  store(parts.minimum[j], fit.minimum);
  store(parts.inverse[j], fit.inverse);
  store(parts.base[j], fit.base);
}

/// Every sub-block's scale and minimum against the largest of the super-block, rounded to [0, kLevels].
template <int kSubs, int kLevels>
QS_INLINE void scalesAgainstLargest(const AffineParts<kSubs>& parts, StoredScales<kSubs>& out) {
  F32 largestScale = zeroFloats();
  F32 largestMin = zeroFloats();
  for (int j = 0; j < kSubs; ++j) {
    largestScale = larger(load(parts.scale[j]), largestScale);
    largestMin = larger(load(parts.minimum[j]), largestMin);
  }
  const F32 levels = splat(static_cast<float>(kLevels));
  const F32 inverseScale = select(largestScale > zeroFloats(), levels / largestScale, zeroFloats());
  const F32 inverseMin = select(largestMin > zeroFloats(), levels / largestMin, zeroFloats());
  store(out.d, select(largestScale > zeroFloats(), largestScale / levels, zeroFloats()));
  store(out.dmin, select(largestMin > zeroFloats(), largestMin / levels, zeroFloats()));
  for (int j = 0; j < kSubs; ++j) {
    const I32 scale = nearestInts(inverseScale * load(parts.scale[j])) & splat(255);
    const I32 min = nearestInts(inverseMin * load(parts.minimum[j])) & splat(255);
    storeBytes(out.scale[j], kLevels == 63 ? smaller(scale, splat(63)) : scale);
    storeBytes(out.minimum[j], kLevels == 63 ? smaller(min, splat(63)) : min);
  }
}

/// The same by least squares, weighted by the sub-blocks' own sums of weights.
template <int kSubs, int kLevels>
QS_INLINE void scalesBySearch(const AffineParts<kSubs>& parts, const F32* weights, StoredScales<kSubs>& out) {
  F32 values[kSubs];
  I32 codes[kSubs];
  for (int j = 0; j < kSubs; ++j) values[j] = load(parts.scale[j]);
  store(out.d, fitPositive<kSubs, kLevels>(values, weights, codes));
  for (int j = 0; j < kSubs; ++j) storeBytes(out.scale[j], codes[j]);
  for (int j = 0; j < kSubs; ++j) values[j] = load(parts.minimum[j]);
  store(out.dmin, fitPositive<kSubs, kLevels>(values, weights, codes));
  for (int j = 0; j < kSubs; ++j) storeBytes(out.minimum[j], codes[j]);
}

/// Rounds the weights of one super-block once more, with the scales as they are stored. A sub-block whose stored scale is
/// zero keeps the codes of its fit: it decodes to −minimum whatever they are.
template <int kSubs, int kLargest>
QS_INLINE void finalCodes(const float* x, const AffineParts<kSubs>& parts, const uint8_t* scale, const uint8_t* minimum,
                          half d, half dmin, size_t lane, uint8_t* codes) {
  constexpr int kSize = kSuperBlock / kSubs;
  for (int j = 0; j < kSubs; ++j, x += kSize, codes += kSize) {
    const float stored = floatFromHalf(d) * scale[j];
    const float storedMin = floatFromHalf(dmin) * minimum[j];
    for (int i = 0; i < kSize; i += kLanes) {
      const F32 value = load(x + i);
      const F32 scaled = stored == 0.0f ? splat(parts.inverse[j][lane]) * (value - splat(parts.base[j][lane]))
                                        : (value + splat(storedMin)) / splat(stored);
      storeBytes(codes + i, truncated(nearestCode(scaled, 0, kLargest)));
    }
  }
}

struct AffineType {
  int subs;
  int largest;         // highest code
  int levels;          // highest stored scale
  Weighting weighting;
  Distance distance;   // of the search without importance weights
  Candidates candidates;
  float sigmaFactor;   // σ² = factor · Σx² / 256, for the importance weights
};

inline constexpr AffineType kQ2{16, 3, 15, Weighting::Magnitude, Distance::Absolute, {-0.5f, 0.1f, 15}, 1.0f};
inline constexpr AffineType kQ4{8, 15, 63, Weighting::RmsPlusMagnitude, Distance::Squared, {-1.0f, 0.1f, 20}, 2.0f};
inline constexpr AffineType kQ5{8, 31, 63, Weighting::RmsPlusMagnitude, Distance::Squared, {-0.5f, 0.1f, 15}, 2.0f};
inline constexpr Candidates kImportanceCandidates{-0.9f, 0.05f, 36};

template <const AffineType& kType>
QS_INLINE void fitBatch(const Lanes& lanes, AffineParts<kType.subs>& parts, StoredScales<kType.subs>& scales) {
  constexpr int kSize = kSuperBlock / kType.subs;
  Runs<kSize> x;
  Runs<kSize> w;
  if (lanes.importance[0] == nullptr) {
    for (int j = 0; j < kType.subs; ++j) {
      loadRuns(lanes.x, static_cast<size_t>(j) * kSize, x);
      ownWeights<kType.weighting, kSize>(x.at, w.at);
      storeFit(fitAffine<kSize, kType.largest, kType.distance>(x.at, w.at, kType.candidates), j, parts);
    }
    scalesAgainstLargest<kType.subs, kType.levels>(parts, scales);
    return;
  }
  F32 squares = zeroFloats();
  for (int j = 0; j < kType.subs; ++j) {
    loadRuns(lanes.x, static_cast<size_t>(j) * kSize, x);
    for (int i = 0; i < kSize; ++i) squares = squares + x.at[i] * x.at[i];
  }
  const F32 sigma2 = splat(kType.sigmaFactor) * squares / splat(static_cast<float>(kSuperBlock));
  F32 sums[kType.subs];
  for (int j = 0; j < kType.subs; ++j) {
    loadRuns(lanes.x, static_cast<size_t>(j) * kSize, x);
    loadRuns(lanes.importance, static_cast<size_t>(j) * kSize, w);
    sums[j] = zeroFloats();
    for (int i = 0; i < kSize; ++i) {
      w.at[i] = importanceWeight(w.at[i], sigma2, x.at[i]);
      sums[j] = sums[j] + w.at[i];
    }
    storeFit(fitAffine<kSize, kType.largest, Distance::Squared>(x.at, w.at, kImportanceCandidates), j, parts);
  }
  scalesBySearch<kType.subs, kType.levels>(parts, sums, scales);
}

/// Calls finish(lane, block) for every super-block after its batch was fitted.
template <const AffineType& kType, typename Finish>
QS_INLINE void encodeAffine(const float* x, Rows rows, const Finish& finish) {
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    AffineParts<kType.subs> parts;
    StoredScales<kType.subs> scales;
    fitBatch<kType>(lanes, parts, scales);
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      uint8_t scale[kType.subs];
      uint8_t minimum[kType.subs];
      for (int j = 0; j < kType.subs; ++j) {
        scale[j] = scales.scale[j][lane];
        minimum[j] = scales.minimum[j][lane];
      }
      finish(first + lane, lane, parts, scale, minimum, halfFromFloat(scales.d[lane]), halfFromFloat(scales.dmin[lane]));
    }
  }
}

/// Six-bit scale and minimum of sub-block j: the low four bits of sub-blocks 4..7 in bytes 8..11, their high two bits in
/// the top of bytes 0..7.
QS_INLINE void packScaleMin(uint8_t* packed, int j, uint8_t scale, uint8_t min) {
  if (j < 4) {
    packed[j] = scale;
    packed[j + 4] = min;
    return;
  }
  packed[j + 4] = static_cast<uint8_t>((scale & 15) | ((min & 15) << 4));
  packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | ((scale >> 4) << 6));
  packed[j] = static_cast<uint8_t>(packed[j] | ((min >> 4) << 6));
}

QS_INLINE void unpackScaleMin(const uint8_t* packed, int j, uint8_t& scale, uint8_t& min) {
  if (j < 4) {
    scale = packed[j] & 63;
    min = packed[j + 4] & 63;
    return;
  }
  scale = static_cast<uint8_t>((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4));
  min = static_cast<uint8_t>((packed[j + 4] >> 4) | ((packed[j] >> 6) << 4));
}

/// Packs the scales and minima of a Q4_K or Q5_K block and reads back what a decoder will see.
QS_INLINE void packScales(uint8_t* packed, uint8_t* scale, uint8_t* minimum) {
  for (int j = 0; j < 8; ++j) packScaleMin(packed, j, scale[j], minimum[j]);
  for (int j = 0; j < 8; ++j) unpackScaleMin(packed, j, scale[j], minimum[j]);
}

/// Two-bit codes, four to a byte: those of weights i, i + 32, i + 64 and i + 96 of each half of the block.
QS_INLINE void packPairs(const uint8_t* codes, uint8_t* packed) {
  for (int half = 0; half < 2; ++half, codes += 128, packed += 32) {
    for (int i = 0; i < 32; ++i) {
      packed[i] = static_cast<uint8_t>(codes[i] | (codes[i + 32] << 2) | (codes[i + 64] << 4) | (codes[i + 96] << 6));
    }
  }
}

}  // namespace

void encodeQ2_K(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ2_K*>(out);
  encodeAffine<kQ2>(x, rows, [&](size_t index, size_t lane, const AffineParts<16>& parts, uint8_t* scale,
                                 uint8_t* minimum, half d, half dmin) {
    BlockQ2_K& block = blocks[index];
    block.d = d;
    block.dmin = dmin;
    for (int j = 0; j < 16; ++j) {
      block.scales[j] = static_cast<uint8_t>(scale[j] | (minimum[j] << 4));
      scale[j] = block.scales[j] & 15;
      minimum[j] = block.scales[j] >> 4;
    }
    uint8_t codes[kSuperBlock];
    finalCodes<16, 3>(x + index * kSuperBlock, parts, scale, minimum, d, dmin, lane, codes);
    packPairs(codes, block.qs);
  });
}

void encodeQ4_K(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ4_K*>(out);
  encodeAffine<kQ4>(x, rows, [&](size_t index, size_t lane, const AffineParts<8>& parts, uint8_t* scale,
                                 uint8_t* minimum, half d, half dmin) {
    BlockQ4_K& block = blocks[index];
    block.d = d;
    block.dmin = dmin;
    packScales(block.scales, scale, minimum);
    uint8_t codes[kSuperBlock];
    finalCodes<8, 15>(x + index * kSuperBlock, parts, scale, minimum, d, dmin, lane, codes);
    for (int j = 0; j < 4; ++j) {
      const uint8_t* pair = codes + j * 64;
      for (int i = 0; i < 32; ++i) block.qs[j * 32 + i] = static_cast<uint8_t>(pair[i] | (pair[i + 32] << 4));
    }
  });
}

void encodeQ5_K(const float* x, void* out, Rows rows) {
  auto* blocks = static_cast<BlockQ5_K*>(out);
  encodeAffine<kQ5>(x, rows, [&](size_t index, size_t lane, const AffineParts<8>& parts, uint8_t* scale,
                                 uint8_t* minimum, half d, half dmin) {
    BlockQ5_K& block = blocks[index];
    block.d = d;
    block.dmin = dmin;
    for (int j = 0; j < 8; ++j) {
      scale[j] = static_cast<uint8_t>(limited(scale[j], 0, 63));
      minimum[j] = static_cast<uint8_t>(limited(minimum[j], 0, 63));
    }
    packScales(block.scales, scale, minimum);
    uint8_t codes[kSuperBlock];
    finalCodes<8, 31>(x + index * kSuperBlock, parts, scale, minimum, d, dmin, lane, codes);
    std::memset(block.qh, 0, sizeof block.qh);
    for (int j = 0; j < 4; ++j) {
      const uint8_t* pair = codes + j * 64;
      for (int i = 0; i < 32; ++i) {
        block.qs[j * 32 + i] = static_cast<uint8_t>((pair[i] & 15) | ((pair[i + 32] & 15) << 4));
        const int fifths = ((pair[i] >> 4) << (2 * j)) | ((pair[i + 32] >> 4) << (2 * j + 1));
        block.qh[i] = static_cast<uint8_t>(block.qh[i] | fifths);
      }
    }
  });
}

// ---- Types with a signed scale per sub-block of 16: Q3_K, Q6_K

namespace {

constexpr int kSubs = 16;

/// Codes (plus the offset) that the fit of each sub-block found, and its scale.
struct SymmetricParts {
  float scale[kSubs][kLanes];
  float inverse[kSubs][kLanes];
  uint8_t negligible[kSubs][kLanes];
};

QS_INLINE void storeFit(const SymmetricFit& fit, int j, SymmetricParts& parts) {
  store(parts.scale[j], fit.scale);
  store(parts.inverse[j], fit.inverse);
  storeBytes(parts.negligible[j], select(fit.negligible, splat(1), splat(0)));
}

/// Codes of sub-block j of one super-block: rounded with the stored scale, or those of the fit where that is zero.
template <int kLargest>
QS_INLINE void roundSub(const float* x, float stored, float inverse, bool negligible, uint8_t* codes) {
  for (int i = 0; i < 16; i += kLanes) {
    if (stored == 0.0f && negligible) {
      storeBytes(codes + i, splat(0));
      continue;
    }
    const F32 value = load(x + i);
    const F32 scaled = stored == 0.0f ? splat(inverse) * value : value / splat(stored);
    storeBytes(codes + i, truncated(nearestCode(scaled, -kLargest, kLargest - 1)) + splat(kLargest));
  }
}

/// σ² = 2·Σx²/256 of each super-block.
QS_INLINE F32 doubledSigma2(const Lanes& lanes) {
  Runs<16> x;
  F32 squares = zeroFloats();
  for (size_t j = 0; j < kSubs; ++j) {
    loadRuns(lanes.x, j * 16, x);
    for (int i = 0; i < 16; ++i) squares = squares + x.at[i] * x.at[i];
  }
  return splat(2.0f) * squares / splat(static_cast<float>(kSuperBlock));
}

void packQ6_K(const uint8_t* codes, BlockQ6_K& out) {
  uint8_t* low = out.ql;
  uint8_t* high = out.qh;
  for (int j = 0; j < kSuperBlock; j += 128, low += 64, high += 32) {
    for (int i = 0; i < 32; ++i) {
      const int a = codes[j + i];
      const int b = codes[j + i + 32];
      const int c = codes[j + i + 64];
      const int e = codes[j + i + 96];
      low[i] = static_cast<uint8_t>((a & 15) | ((c & 15) << 4));
      low[i + 32] = static_cast<uint8_t>((b & 15) | ((e & 15) << 4));
      high[i] = static_cast<uint8_t>((a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6));
    }
  }
}

void finishQ6_K(const float* x, const SymmetricParts& parts, size_t lane, BlockQ6_K& out) {
  float extreme = 0;
  for (int j = 0; j < kSubs; ++j) {
    const float scale = parts.scale[j][lane];
    if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
  }
  if (std::fabs(extreme) < kNegligible) {
    std::memset(&out, 0, sizeof out);
    return;
  }
  const float inverse = -128.0f / extreme;
  out.d = halfFromFloat(1 / inverse);
  uint8_t codes[kSuperBlock];
  for (int j = 0; j < kSubs; ++j) {
    const int code = nearestInt(inverse * parts.scale[j][lane]);
    out.scales[j] = static_cast<int8_t>(code < 127 ? code : 127);
    const float stored = floatFromHalf(out.d) * out.scales[j];
    roundSub<32>(x + j * 16, stored, parts.inverse[j][lane], parts.negligible[j][lane] != 0, codes + j * 16);
  }
  packQ6_K(codes, out);
}

/// Six-bit scales of a Q3_K block: four low bits in bytes 0..7, two high bits in bytes 8..11.
QS_INLINE void packScaleQ3_K(uint8_t* packed, int j, int scale) {
  if (j < 8) {
    packed[j] = static_cast<uint8_t>(scale & 15);
  } else {
    packed[j - 8] = static_cast<uint8_t>(packed[j - 8] | ((scale & 15) << 4));
  }
  packed[8 + j % 4] = static_cast<uint8_t>(packed[8 + j % 4] | ((scale >> 4) << (2 * (j / 4))));
}

QS_INLINE int scaleQ3_K(const uint8_t* packed, int j) {
  const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
  const int high = (packed[8 + j % 4] >> (2 * (j / 4))) & 3;
  return (low | (high << 4)) - 32;
}

/// Third bits into hmask, the two low bits four to a byte.
QS_INLINE void packQ3_K(uint8_t* codes, BlockQ3_K& out) {
  for (int i = 0; i < 32; ++i) {
    int mask = 0;
    for (int plane = 0; plane < 8; ++plane) mask |= (codes[plane * 32 + i] >> 2) << plane;
    out.hmask[i] = static_cast<uint8_t>(mask);
  }
  for (int i = 0; i < kSuperBlock; ++i) codes[i] &= 3;
  packPairs(codes, out.qs);
}

}  // namespace

void encodeQ6_K(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockQ6_K*>(out);
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    SymmetricParts parts;
    Runs<16> values;
    Runs<16> w;
    for (int j = 0; j < kSubs; ++j) {
      loadRuns(lanes.x, static_cast<size_t>(j) * 16, values);
      if (rows.importance == nullptr) {
        for (int i = 0; i < 16; ++i) w.at[i] = values.at[i] * values.at[i];
      } else {
        loadRuns(lanes.importance, static_cast<size_t>(j) * 16, w);
      }
      storeFit(fitSymmetric<16, 32>(values.at, w.at), j, parts);
    }
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishQ6_K(x + (first + lane) * kSuperBlock, parts, lane, target[first + lane]);
    }
  }
}

namespace {

/// Without importance weights: coordinate descent per sub-block, scales against the one of largest magnitude.
void encodeBatchQ3_K(const float* x, size_t first, size_t blocks, const Lanes& lanes, BlockQ3_K* out) {
  float scales[kSubs][kLanes];
  float fitted[kSuperBlock][kLanes];
  Runs<16> values;
  F32 codes[16];
  for (int j = 0; j < kSubs; ++j) {
    loadRuns(lanes.x, static_cast<size_t>(j) * 16, values);
    const F32 scale = fitByDescent<16, 4>(values.at, codes);
    store(scales[j], scale);
    // A group that is negligible has the stored codes 0, not the middle.
    const Mask negligible = extremeOf<16>(values.at).magnitude < splat(kNegligible);
    for (int i = 0; i < 16; ++i) store(fitted[j * 16 + i], select(negligible, zeroFloats(), codes[i] + splat(4.0f)));
  }
  for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
    BlockQ3_K& block = out[first + lane];
    float extreme = 0;
    for (int j = 0; j < kSubs; ++j) {
      if (std::fabs(scales[j][lane]) > std::fabs(extreme)) extreme = scales[j][lane];
    }
    std::memset(block.scales, 0, sizeof block.scales);
    block.d = 0;
    if (extreme != 0.0f) {
      const float inverse = -32.0f / extreme;
      for (int j = 0; j < kSubs; ++j) {
        const int8_t rounded = static_cast<int8_t>(nearestInt(inverse * scales[j][lane]));
        packScaleQ3_K(block.scales, j, limited(rounded, -32, 31) + 32);
      }
      block.d = halfFromFloat(1 / inverse);
    }
    uint8_t final[kSuperBlock];
    const float* weights = x + (first + lane) * kSuperBlock;
    for (int j = 0; j < kSubs; ++j) {
      const float stored = floatFromHalf(block.d) * static_cast<float>(scaleQ3_K(block.scales, j));
      if (stored == 0.0f) {
        for (int i = j * 16; i < j * 16 + 16; ++i) final[i] = static_cast<uint8_t>(fitted[i][lane]);
      } else {
        roundSub<4>(weights + j * 16, stored, 0.0f, false, final + j * 16);
      }
    }
    packQ3_K(final, block);
  }
}

/// With importance weights: symmetric searches, for the sub-blocks and then for their scales.
void encodeWeightedBatchQ3_K(const float* x, size_t first, size_t blocks, const Lanes& lanes, BlockQ3_K* out) {
  const F32 sigma2 = doubledSigma2(lanes);
  SymmetricParts parts;
  Runs<16> values;
  Runs<16> w;
  F32 sums[kSubs];
  F32 scales[kSubs];
  for (int j = 0; j < kSubs; ++j) {
    loadRuns(lanes.x, static_cast<size_t>(j) * 16, values);
    loadRuns(lanes.importance, static_cast<size_t>(j) * 16, w);
    sums[j] = zeroFloats();
    for (int i = 0; i < 16; ++i) {
      w.at[i] = importanceWeight(w.at[i], sigma2, values.at[i]);
      sums[j] = sums[j] + w.at[i];
    }
    const SymmetricFit fit = fitSymmetric<16, 4>(values.at, w.at);
    storeFit(fit, j, parts);
    scales[j] = fit.scale;
  }
  const SymmetricFit fit = fitSymmetric<kSubs, 32>(scales, sums);
  float d[kLanes];
  store(d, fit.scale);
  uint8_t stored[kSubs][kLanes];
  for (int j = 0; j < kSubs; ++j) {
    const I32 codes = truncated(nearestCode(fit.inverse * scales[j], -32, 31)) + splat(32);
    storeBytes(stored[j], select(fit.negligible, splat(0), codes));
  }
  for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
    BlockQ3_K& block = out[first + lane];
    std::memset(block.scales, 0, sizeof block.scales);
    for (int j = 0; j < kSubs; ++j) packScaleQ3_K(block.scales, j, stored[j][lane]);
    block.d = halfFromFloat(d[lane]);
    uint8_t codes[kSuperBlock];
    const float* weights = x + (first + lane) * kSuperBlock;
    for (int j = 0; j < kSubs; ++j) {
      const float scale = floatFromHalf(block.d) * static_cast<float>(scaleQ3_K(block.scales, j));
      roundSub<4>(weights + j * 16, scale, parts.inverse[j][lane], parts.negligible[j][lane] != 0, codes + j * 16);
    }
    packQ3_K(codes, block);
  }
}

}  // namespace

void encodeQ3_K(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockQ3_K*>(out);
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    if (rows.importance == nullptr) {
      encodeBatchQ3_K(x, first, blocks, lanes, target);
    } else {
      encodeWeightedBatchQ3_K(x, first, blocks, lanes, target);
    }
  }
}

// ---- Decoders

void decodeQ2_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ2_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ2_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 16; ++j, y += 16) {
      const F32 scale = splat(d * static_cast<float>(block.scales[j] & 15));
      const F32 min = splat(dmin * static_cast<float>(block.scales[j] >> 4));
      const uint8_t* q = block.qs + j / 8 * 32 + j % 2 * 16;
      for (int i = 0; i < 16; i += kLanes) {
        store(y + i, scale * toFloats((loadBytes(q + i) >> (j % 8 / 2 * 2)) & splat(3)) - min);
      }
    }
  }
}

void decodeQ3_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ3_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ3_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    for (int j = 0; j < 16; ++j, y += 16) {
      const F32 scale = splat(d * static_cast<float>(scaleQ3_K(block.scales, j)));
      const uint8_t* low = block.qs + j / 8 * 32 + j % 2 * 16;
      const uint8_t* high = block.hmask + j % 2 * 16;
      for (int i = 0; i < 16; i += kLanes) {
        const I32 pair = (loadBytes(low + i) >> (j % 8 / 2 * 2)) & splat(3);
        const I32 third = ((loadBytes(high + i) >> (j / 2)) & splat(1)) << 2;
        store(y + i, scale * toFloats((pair | third) - splat(4)));
      }
    }
  }
}

void decodeQ4_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ4_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ4_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 8; j += 2, y += 64) {
      uint8_t scale[2];
      uint8_t min[2];
      unpackScaleMin(block.scales, j, scale[0], min[0]);
      unpackScaleMin(block.scales, j + 1, scale[1], min[1]);
      for (int i = 0; i < 32; i += kLanes) {
        const I32 q = loadBytes(block.qs + j * 16 + i);
        store(y + i, splat(d * scale[0]) * toFloats(q & splat(15)) - splat(dmin * min[0]));
        store(y + i + 32, splat(d * scale[1]) * toFloats(q >> 4) - splat(dmin * min[1]));
      }
    }
  }
}

void decodeQ5_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ5_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ5_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 8; j += 2, y += 64) {
      uint8_t scale[2];
      uint8_t min[2];
      unpackScaleMin(block.scales, j, scale[0], min[0]);
      unpackScaleMin(block.scales, j + 1, scale[1], min[1]);
      for (int i = 0; i < 32; i += kLanes) {
        const I32 q = loadBytes(block.qs + j * 16 + i);
        const I32 fifths = loadBytes(block.qh + i) >> j;
        const I32 low = (q & splat(15)) | ((fifths & splat(1)) << 4);
        const I32 high = (q >> 4) | ((fifths & splat(2)) << 3);
        store(y + i, splat(d * scale[0]) * toFloats(low) - splat(dmin * min[0]));
        store(y + i + 32, splat(d * scale[1]) * toFloats(high) - splat(dmin * min[1]));
      }
    }
  }
}

void decodeQ6_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ6_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index, y += kSuperBlock) {
    const BlockQ6_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    for (int j = 0; j < 16; ++j) {
      const int quarter = j % 8 / 2;
      const uint8_t* low = block.ql + j / 8 * 64 + quarter % 2 * 32 + j % 2 * 16;
      const uint8_t* high = block.qh + j / 8 * 32 + j % 2 * 16;
      const F32 scale = splat(d * block.scales[j]);
      for (int i = 0; i < 16; i += kLanes) {
        const I32 nibble = (loadBytes(low + i) >> (quarter / 2 * 4)) & splat(15);
        const I32 top = ((loadBytes(high + i) >> (2 * quarter)) & splat(3)) << 4;
        store(y + j * 16 + i, scale * toFloats((nibble | top) - splat(32)));
      }
    }
  }
}

}  // namespace qs::QS_TARGET
