// Encoders of the types with a signed scale per sub-block of 16: Q3_K, Q6_K.
#include "kquants.h"

#include <cmath>
#include <cstring>

#include "blocks.h"
#include "fits.h"
#include "floats.h"
#include "groups.h"
#include "kpacking.h"

namespace qs::QS_TARGET {
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

/// Codes of a sub-block, plus the offset, rounded with its stored scale.
template <int kLargest>
QS_INLINE void roundSub(const float* x, float stored, uint8_t* codes) {
  for (int i = 0; i < 16; i += kLanes) {
    const F32 code = nearestQuotient(load(x + i), stored, -kLargest, kLargest - 1);
    storeBytes(codes + i, truncated(code) + splat(kLargest));
  }
}

/// The codes that the search found, which a sub-block keeps whose stored scale is zero; 0 where it was negligible.
template <int kLargest>
QS_INLINE void fittedCodes(const float* x, const SymmetricParts& parts, int j, size_t lane, uint8_t* codes) {
  for (int i = 0; i < 16; i += kLanes) {
    const F32 code = nearestCode(splat(parts.inverse[j][lane]) * load(x + i), -kLargest, kLargest - 1);
    storeBytes(codes + i, parts.negligible[j][lane] != 0 ? splat(0) : truncated(code) + splat(kLargest));
  }
}

/// σ² = 2·Σx²/256 of each super-block.
QS_INLINE F32 doubledSigma2(const Lanes& lanes) {
  Runs<16> x;
  F32 squares = zeroFloats();
  for (size_t j = 0; j < kSubs; ++j) {
    loadGroups(lanes, j * 16, x);
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
    if (stored == 0.0f) {
      fittedCodes<32>(x + j * 16, parts, j, lane, codes + j * 16);
    } else {
      roundSub<32>(x + j * 16, stored, codes + j * 16);
    }
  }
  packQ6_K(codes, out);
}

/// Third bits into hmask, the two low bits four to a byte.
QS_INLINE void packQ3_K(uint8_t* codes, BlockQ3_K& out) {
  uint8_t mask[32] = {};
  for (int plane = 0; plane < 8; ++plane) {
    for (int i = 0; i < 32; ++i) mask[i] = static_cast<uint8_t>(mask[i] | ((codes[plane * 32 + i] >> 2) << plane));
  }
  std::memcpy(out.hmask, mask, sizeof mask);
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
      loadGroups(lanes, static_cast<size_t>(j) * 16, values);
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

/// The codes that the descent finds for one sub-block, plus the offset; 0, not the middle, for a negligible one.
QS_NOINLINE void descendedCodes(const float* x, uint8_t* codes) {
  const float* runs[kLanes];
  for (const float*& run : runs) run = x;
  Runs<16> values;
  Runs<16> found;
  F32 scale;
  Mask negligible;
  loadRuns(runs, 0, values);
  fitByDescent<16, 4, 1>(&values, &found, &scale, &negligible);
  for (int i = 0; i < 16; ++i) {
    float lanes[kLanes];
    store(lanes, select(negligible, zeroFloats(), found.at[i] + splat(4.0f)));
    codes[i] = static_cast<uint8_t>(lanes[0]);
  }
}

/// The six-bit scales (plus 32) of a batch of super-blocks, and their factors.
struct ScalesQ3_K {
  I32 codes[kSubs];
  float d[kLanes];
};

/// Stores a batch. Sub-blocks whose stored scale is zero get their codes from zeroCodes(lane, j, codes).
template <typename ZeroCodes>
QS_INLINE void finishBatchQ3_K(const Lanes& lanes, size_t count, const ScalesQ3_K& scales, BlockQ3_K* out,
                               const ZeroCodes& zeroCodes) {
  uint8_t packed[12][kLanes];
  uint8_t codes[kSubs][kLanes];
  for (int j = 0; j < kSubs; ++j) storeBytes(codes[j], scales.codes[j]);
  const auto nibble = [&](int j) { return scales.codes[j] & splat(15); };
  const auto top = [&](int j) { return scales.codes[j] >> 4; };
  for (int k = 0; k < 8; ++k) storeBytes(packed[k], nibble(k) | (nibble(k + 8) << 4));
  for (int k = 0; k < 4; ++k) {
    storeBytes(packed[8 + k], top(k) | (top(k + 4) << 2) | (top(k + 8) << 4) | (top(k + 12) << 6));
  }
  for (size_t lane = 0; lane < count; ++lane) {
    BlockQ3_K& block = out[lane];
    for (int k = 0; k < 12; ++k) block.scales[k] = packed[k][lane];
    block.d = halfFromFloat(scales.d[lane]);
    const float d = floatFromHalf(block.d);
    uint8_t final[kSuperBlock];
    for (int j = 0; j < kSubs; ++j) {
      const float stored = d * static_cast<float>(codes[j][lane] - 32);
      if (stored == 0.0f) {
        zeroCodes(lane, j, final + j * 16);
      } else {
        roundSub<4>(lanes.x[lane] + j * 16, stored, final + j * 16);
      }
    }
    packQ3_K(final, block);
  }
}

/// Without importance weights: coordinate descent per sub-block, scales against the one of largest magnitude.
void encodeBatchQ3_K(const Lanes& lanes, size_t count, BlockQ3_K* out) {
  constexpr int kTogether = 4;
  F32 fitted[kSubs];
  F32 extreme = zeroFloats();
  for (int j = 0; j < kSubs; j += kTogether) {
    Runs<16> values[kTogether];
    Runs<16> codes[kTogether];
    Mask negligible[kTogether];
    for (int g = 0; g < kTogether; ++g) loadGroups(lanes, static_cast<size_t>(j + g) * 16, values[g]);
    fitByDescent<16, 4, kTogether>(values, codes, fitted + j, negligible);
  }
  for (const F32& scale : fitted) extreme = select(magnitude(scale) > magnitude(extreme), scale, extreme);
  const Mask none = extreme == zeroFloats();
  const F32 inverse = splat(-32.0f) / extreme;
  ScalesQ3_K scales;
  store(scales.d, select(none, zeroFloats(), splat(1.0f) / inverse));
  for (int j = 0; j < kSubs; ++j) {
    const I32 code = asSignedByte(nearestInts(inverse * fitted[j]));
    const I32 limited = smaller(larger(code, splat(-32)), splat(31)) + splat(32);
    scales.codes[j] = select(none, splat(0), limited);
  }
  finishBatchQ3_K(lanes, count, scales, out, [&](size_t lane, int j, uint8_t* codes) {
    descendedCodes(lanes.x[lane] + j * 16, codes);
  });
}

/// With importance weights: symmetric searches, for the sub-blocks and then for their scales.
void encodeWeightedBatchQ3_K(const Lanes& lanes, size_t count, BlockQ3_K* out) {
  const F32 sigma2 = doubledSigma2(lanes);
  SymmetricParts parts;
  Runs<16> values;
  Runs<16> w;
  F32 sums[kSubs];
  F32 fitted[kSubs];
  for (int j = 0; j < kSubs; ++j) {
    loadGroups(lanes, static_cast<size_t>(j) * 16, values);
    loadRuns(lanes.importance, static_cast<size_t>(j) * 16, w);
    sums[j] = zeroFloats();
    for (int i = 0; i < 16; ++i) {
      w.at[i] = importanceWeight(w.at[i], sigma2, values.at[i]);
      sums[j] = sums[j] + w.at[i];
    }
    const SymmetricFit fit = fitSymmetric<16, 4>(values.at, w.at);
    storeFit(fit, j, parts);
    fitted[j] = fit.scale;
  }
  const SymmetricFit fit = fitSymmetric<kSubs, 32>(fitted, sums);
  ScalesQ3_K scales;
  store(scales.d, fit.scale);
  for (int j = 0; j < kSubs; ++j) {
    const I32 code = truncated(nearestCode(fit.inverse * fitted[j], -32, 31)) + splat(32);
    scales.codes[j] = select(fit.negligible, splat(0), code);
  }
  finishBatchQ3_K(lanes, count, scales, out, [&](size_t lane, int j, uint8_t* codes) {
    fittedCodes<4>(lanes.x[lane] + j * 16, parts, j, lane, codes);
  });
}

}  // namespace

void encodeQ3_K(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockQ3_K*>(out);
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    const size_t count = blocks - first < kLanes ? blocks - first : kLanes;
    if (rows.importance == nullptr) {
      encodeBatchQ3_K(lanes, count, target + first);
    } else {
      encodeWeightedBatchQ3_K(lanes, count, target + first);
    }
  }
}

}  // namespace qs::QS_TARGET
