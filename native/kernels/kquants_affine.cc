// Encoders of the types with a scale and a minimum per sub-block: Q2_K, Q4_K, Q5_K.
#include "kquants.h"

#include <cstring>

#include "blocks.h"
#include "fits.h"
#include "floats.h"
#include "kpacking.h"

namespace qs::QS_TARGET {
namespace {

/// What the fits of a batch found, per sub-block and super-block.
template <int kSubs>
struct AffineParts {
  float scale[kSubs][kLanes];
  float minimum[kSubs][kLanes];
  float inverse[kSubs][kLanes];
  float base[kSubs][kLanes];
};

/// The scales and minima as integers, and their factors.
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

/// Rounds the weights of one super-block again, with the scales as they are stored. A sub-block whose stored scale is
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
      const F32 code = stored == 0.0f
                           ? nearestCode(splat(parts.inverse[j][lane]) * (value - splat(parts.base[j][lane])), 0, kLargest)
                           : nearestQuotient(value + splat(storedMin), stored, 0, kLargest);
      storeBytes(codes + i, truncated(code));
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
      loadGroups(lanes, static_cast<size_t>(j) * kSize, x);
      ownWeights<kType.weighting, kSize>(x.at, w.at);
      storeFit(fitAffine<kSize, kType.largest, kType.distance>(x.at, w.at, kType.candidates), j, parts);
    }
    scalesAgainstLargest<kType.subs, kType.levels>(parts, scales);
    return;
  }
  F32 squares = zeroFloats();
  for (int j = 0; j < kType.subs; ++j) {
    loadGroups(lanes, static_cast<size_t>(j) * kSize, x);
    for (int i = 0; i < kSize; ++i) squares = squares + x.at[i] * x.at[i];
  }
  const F32 sigma2 = splat(kType.sigmaFactor) * squares / splat(static_cast<float>(kSuperBlock));
  F32 sums[kType.subs];
  for (int j = 0; j < kType.subs; ++j) {
    loadGroups(lanes, static_cast<size_t>(j) * kSize, x);
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

/// Packs the scales and minima of a Q4_K or Q5_K block and reads back what a decoder will see.
QS_INLINE void packScales(uint8_t* packed, uint8_t* scale, uint8_t* minimum) {
  for (int j = 0; j < 8; ++j) packScaleMin(packed, j, scale[j], minimum[j]);
  for (int j = 0; j < 8; ++j) unpackScaleMin(packed, j, scale[j], minimum[j]);
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

}  // namespace qs::QS_TARGET
