#include "kquants.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "floats.h"

// Every sum over the weights of a sub-block runs in index order in float32: that order, and no fused multiply-add, is
// what makes the bytes those of llama.cpp.

namespace qs {
namespace {

constexpr int kSub32 = 32;
constexpr int kSub16 = 16;
constexpr float kNegligible = 1e-15f;  // a block whose largest magnitude is below this is stored as zeros

struct AffineFit {
  float scale;
  float minimum;  // x' = scale · q − minimum, minimum ≥ 0
};

struct Candidates {
  float first;  // offset of the first candidate, in code units
  float step;
  int count;
};

/// Σ w·x and Σ w of a sub-block: fixed while the candidates vary.
struct WeightedSums {
  float w;
  float wx;
};

QS_INLINE int clampCode(int code, int largest) { return std::max(0, std::min(largest, code)); }

QS_INLINE float weightedError(const float* x, const float* w, const uint8_t* q, float scale, float min) {
  float error = 0;
  for (int i = 0; i < kSub32; ++i) {
    const float difference = scale * q[i] + min - x[i];
    error += w[i] * (difference * difference);
  }
  return error;
}

/// Least-squares scale and minimum for fixed codes: minimises Σ w·(scale·q + min − x)² with min ≤ 0. False when the codes
/// are all equal.
QS_INLINE bool leastSquares(const float* x, const float* w, const uint8_t* q, WeightedSums sums, float& scale, float& min) {
  float wq = 0;
  float wq2 = 0;
  float wqx = 0;
  for (int i = 0; i < kSub32; ++i) {
    const float weighted = w[i] * q[i];
    wq += weighted;
    wq2 += weighted * q[i];
    wqx += weighted * x[i];
  }
  const float determinant = sums.w * wq2 - wq * wq;
  if (!(determinant > 0)) return false;
  scale = (sums.w * wqx - sums.wx * wq) / determinant;
  min = (wq2 * sums.wx - wq * wqx) / determinant;
  if (min > 0) {
    min = 0;
    scale = wqx / wq2;
  }
  return true;
}

/// Minimises Σ w·(scale·q − minimum − x)² over codes q in [0, largest]. The codes come from rounding with a few inverse
/// scales around largest/(max − min); for each the best scale and minimum follow by least squares, and the candidate of
/// smallest error wins.
QS_INLINE AffineFit fitAffine(const float* x, const float* w, int largest, Candidates candidates, uint8_t* codes) {
  float min = x[0];
  float max = x[0];
  WeightedSums sums{w[0], w[0] * x[0]};
  for (int i = 1; i < kSub32; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
    sums.w += w[i];
    sums.wx += w[i] * x[i];
  }
  if (min > 0) min = 0;
  if (max == min) {
    std::memset(codes, 0, kSub32);
    return {0.0f, -min};
  }
  const float low = min;
  const float range = max - min;
  float inverse = largest / range;
  float scale = 1 / inverse;
  for (int i = 0; i < kSub32; ++i) codes[i] = static_cast<uint8_t>(clampCode(nearestInt(inverse * (x[i] - low)), largest));
  float bestError = weightedError(x, w, codes, scale, min);

  for (int candidate = 0; candidate <= candidates.count; ++candidate) {
    // The codes are rounded from the best minimum so far, which later candidates therefore depend on.
    inverse = (candidates.first + candidates.step * candidate + largest) / (max - min);
    uint8_t trial[kSub32];
    for (int i = 0; i < kSub32; ++i) trial[i] = static_cast<uint8_t>(clampCode(nearestInt(inverse * (x[i] - min)), largest));
    float trialScale;
    float trialMin;
    if (!leastSquares(x, w, trial, sums, trialScale, trialMin)) continue;
    const float error = weightedError(x, w, trial, trialScale, trialMin);
    if (error < bestError) {
      std::memcpy(codes, trial, kSub32);
      bestError = error;
      scale = trialScale;
      min = trialMin;
    }
  }
  return {scale, -min};
}

/// Larger weights matter more: w = √(Σx²/32) + |x|.
QS_INLINE void importanceOf(const float* x, float* w) {
  float squares = 0;
  for (int i = 0; i < kSub32; ++i) squares += x[i] * x[i];
  const float base = std::sqrt(squares / kSub32);
  for (int i = 0; i < kSub32; ++i) w[i] = base + std::fabs(x[i]);
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
  packed[j - 4] |= static_cast<uint8_t>((scale >> 4) << 6);
  packed[j] |= static_cast<uint8_t>((min >> 4) << 6);
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

/// What Q4_K and Q5_K share: fits the eight sub-blocks, stores their scales and minima in six bits each against the
/// super-block's d and dmin, and rounds the weights once more with what was stored.
QS_INLINE void encodeSuperBlock(const float* x, int largest, Candidates candidates, half& d, half& dmin, uint8_t* packed,
                                uint8_t* codes) {
  float scales[8];
  float minima[8];
  float largestScale = 0;
  float largestMin = 0;
  for (int j = 0; j < 8; ++j) {
    float w[kSub32];
    importanceOf(x + j * kSub32, w);
    const AffineFit fit = fitAffine(x + j * kSub32, w, largest, candidates, codes + j * kSub32);
    scales[j] = fit.scale;
    minima[j] = fit.minimum;
    if (fit.scale > largestScale) largestScale = fit.scale;
    if (fit.minimum > largestMin) largestMin = fit.minimum;
  }
  const float inverseScale = largestScale > 0 ? 63.0f / largestScale : 0.0f;
  const float inverseMin = largestMin > 0 ? 63.0f / largestMin : 0.0f;
  for (int j = 0; j < 8; ++j) {
    const uint8_t scale = static_cast<uint8_t>(nearestInt(inverseScale * scales[j]));
    const uint8_t min = static_cast<uint8_t>(nearestInt(inverseMin * minima[j]));
    packScaleMin(packed, j, std::min<uint8_t>(63, scale), std::min<uint8_t>(63, min));
  }
  d = halfFromFloat(largestScale / 63.0f);
  dmin = halfFromFloat(largestMin / 63.0f);
  for (int j = 0; j < 8; ++j) {
    uint8_t scale;
    uint8_t min;
    unpackScaleMin(packed, j, scale, min);
    const float stored = floatFromHalf(d) * scale;
    if (stored == 0.0f) continue;  // the codes of the fit stay: they decode to −minimum whatever they are
    const float storedMin = floatFromHalf(dmin) * min;
    for (int i = j * kSub32; i < (j + 1) * kSub32; ++i) {
      codes[i] = static_cast<uint8_t>(clampCode(nearestInt((x[i] + storedMin) / stored), largest));
    }
  }
}

/// Minimises Σ x²·(scale·q − x)² over signed codes in [−32, 31], stored + 32. The inverse scales tried put the weight of
/// largest magnitude near −32; the best least-squares scale wins by (Σ w·x·q)² / Σ w·q².
QS_INLINE float fitSymmetric(const float* x, int8_t* codes) {
  constexpr int kLargest = 32;
  float largest = 0;
  float extreme = 0;
  for (int i = 0; i < kSub16; ++i) {
    if (std::fabs(x[i]) > largest) {
      largest = std::fabs(x[i]);
      extreme = x[i];
    }
  }
  std::memset(codes, 0, kSub16);
  if (largest < kNegligible) return 0.0f;
  float scale = 0;
  float best = 0;
  const auto attempt = [&](float inverse, bool unconditionally) {
    float wxq = 0;
    float wq2 = 0;
    int8_t trial[kSub16];
    for (int i = 0; i < kSub16; ++i) {
      const int q = std::max(-kLargest, std::min(kLargest - 1, nearestInt(inverse * x[i])));
      trial[i] = static_cast<int8_t>(q + kLargest);
      const float w = x[i] * x[i];
      wxq += w * x[i] * q;
      wq2 += w * q * q;
    }
    if (unconditionally) {
      scale = wq2 != 0.0f ? wxq / wq2 : 0.0f;
    } else {
      if (!(wq2 > 0 && wxq * wxq > best * wq2)) return;
      scale = wxq / wq2;
    }
    best = scale * wxq;
    std::memcpy(codes, trial, kSub16);
  };
  attempt(-kLargest / extreme, true);
  for (int step = -9; step <= 9; ++step) {
    if (step != 0) attempt(-(kLargest + 0.1f * step) / extreme, false);
  }
  return scale;
}

}  // namespace

QS_WIDE void encodeQ4_K(const float* x, BlockQ4_K* out, size_t n) {
  uint8_t codes[kSuperBlock];
  for (size_t block = 0; block < n / kSuperBlock; ++block, x += kSuperBlock, ++out) {
    encodeSuperBlock(x, 15, {-1.0f, 0.1f, 20}, out->d, out->dmin, out->scales, codes);
    uint8_t* packed = out->qs;
    for (int j = 0; j < kSuperBlock; j += 64, packed += 32) {
      for (int i = 0; i < 32; ++i) packed[i] = static_cast<uint8_t>(codes[j + i] | (codes[j + i + 32] << 4));
    }
  }
}

QS_WIDE void encodeQ5_K(const float* x, BlockQ5_K* out, size_t n) {
  uint8_t codes[kSuperBlock];
  for (size_t block = 0; block < n / kSuperBlock; ++block, x += kSuperBlock, ++out) {
    encodeSuperBlock(x, 31, {-0.5f, 0.1f, 15}, out->d, out->dmin, out->scales, codes);
    std::memset(out->qh, 0, sizeof out->qh);
    uint8_t* packed = out->qs;
    for (int j = 0; j < kSuperBlock; j += 64, packed += 32) {
      const int bit = j / 32;
      for (int i = 0; i < 32; ++i) {
        const uint8_t low = codes[j + i];
        const uint8_t high = codes[j + i + 32];
        packed[i] = static_cast<uint8_t>((low & 15) | ((high & 15) << 4));
        out->qh[i] |= static_cast<uint8_t>(((low >> 4) << bit) | ((high >> 4) << (bit + 1)));
      }
    }
  }
}

static QS_INLINE void packQ6_K(const int8_t* codes, BlockQ6_K* out) {
  uint8_t* low = out->ql;
  uint8_t* high = out->qh;
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

QS_WIDE void encodeQ6_K(const float* x, BlockQ6_K* out, size_t n) {
  int8_t codes[kSuperBlock];
  for (size_t block = 0; block < n / kSuperBlock; ++block, x += kSuperBlock, ++out) {
    float scales[16];
    float extremeScale = 0;
    for (int j = 0; j < 16; ++j) {
      scales[j] = fitSymmetric(x + j * kSub16, codes + j * kSub16);
      if (std::fabs(scales[j]) > std::fabs(extremeScale)) extremeScale = scales[j];
    }
    if (std::fabs(extremeScale) < kNegligible) {
      std::memset(out, 0, sizeof *out);
      continue;
    }
    const float inverse = -128.0f / extremeScale;
    out->d = halfFromFloat(1 / inverse);
    for (int j = 0; j < 16; ++j) {
      out->scales[j] = static_cast<int8_t>(std::min(127, nearestInt(inverse * scales[j])));
      const float stored = floatFromHalf(out->d) * out->scales[j];
      if (stored == 0.0f) continue;
      for (int i = j * kSub16; i < (j + 1) * kSub16; ++i) {
        codes[i] = static_cast<int8_t>(std::max(-32, std::min(31, nearestInt(x[i] / stored))) + 32);
      }
    }
    packQ6_K(codes, out);
  }
}

QS_WIDE void decodeQ2_K(const BlockQ2_K* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kSuperBlock; ++block, ++in) {
    const float d = floatFromHalf(in->d);
    const float dmin = floatFromHalf(in->dmin);
    for (int half = 0, j = 0; half < 2; ++half) {
      const uint8_t* q = in->qs + half * 32;
      for (int shift = 0; shift < 8; shift += 2) {
        for (int part = 0; part < 2; ++part, ++j) {
          const float scale = d * (in->scales[j] & 15);
          const float min = dmin * (in->scales[j] >> 4);
          for (int i = 0; i < 16; ++i) *y++ = scale * ((q[part * 16 + i] >> shift) & 3) - min;
        }
      }
    }
  }
}

/// The sixteen six-bit scales of a Q3_K block: four low bits in bytes 0..7, two high bits in bytes 8..11.
static QS_INLINE int scaleQ3_K(const uint8_t* packed, int j) {
  const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
  const int high = (packed[8 + j % 4] >> (2 * (j / 4))) & 3;
  return (low | (high << 4)) - 32;
}

QS_WIDE void decodeQ3_K(const BlockQ3_K* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kSuperBlock; ++block, ++in) {
    const float d = floatFromHalf(in->d);
    for (int half = 0, j = 0; half < 2; ++half) {
      const uint8_t* q = in->qs + half * 32;
      for (int plane = 0; plane < 4; ++plane) {
        const uint8_t mask = static_cast<uint8_t>(1u << (half * 4 + plane));
        for (int part = 0; part < 2; ++part, ++j) {
          const float scale = d * scaleQ3_K(in->scales, j);
          for (int i = part * 16; i < part * 16 + 16; ++i) {
            const int high = (in->hmask[i] & mask) ? 0 : 4;
            *y++ = scale * (((q[i] >> (2 * plane)) & 3) - high);
          }
        }
      }
    }
  }
}

QS_WIDE void decodeQ4_K(const BlockQ4_K* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kSuperBlock; ++block, ++in) {
    const float d = floatFromHalf(in->d);
    const float dmin = floatFromHalf(in->dmin);
    for (int j = 0; j < 8; ++j, y += kSub32) {
      uint8_t scale;
      uint8_t min;
      unpackScaleMin(in->scales, j, scale, min);
      const float stored = d * scale;
      const float storedMin = dmin * min;
      const uint8_t* q = in->qs + (j / 2) * 32;
      const int shift = (j % 2) * 4;
      for (int i = 0; i < kSub32; ++i) y[i] = stored * ((q[i] >> shift) & 15) - storedMin;
    }
  }
}

QS_WIDE void decodeQ5_K(const BlockQ5_K* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kSuperBlock; ++block, ++in) {
    const float d = floatFromHalf(in->d);
    const float dmin = floatFromHalf(in->dmin);
    for (int j = 0; j < 8; ++j, y += kSub32) {
      uint8_t scale;
      uint8_t min;
      unpackScaleMin(in->scales, j, scale, min);
      const float stored = d * scale;
      const float storedMin = dmin * min;
      const uint8_t* q = in->qs + (j / 2) * 32;
      const int shift = (j % 2) * 4;
      for (int i = 0; i < kSub32; ++i) {
        y[i] = stored * (((q[i] >> shift) & 15) + (((in->qh[i] >> j) & 1) << 4)) - storedMin;
      }
    }
  }
}

QS_WIDE void decodeQ6_K(const BlockQ6_K* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kSuperBlock; ++block, y += kSuperBlock, ++in) {
    const float d = floatFromHalf(in->d);
    for (int half = 0; half < 2; ++half) {
      for (int quarter = 0; quarter < 4; ++quarter) {
        const uint8_t* low = in->ql + half * 64 + (quarter % 2) * 32;
        const uint8_t* high = in->qh + half * 32;
        float* target = y + half * 128 + quarter * 32;
        for (int i = 0; i < 32; ++i) {
          const int q = ((low[i] >> (quarter / 2 * 4)) & 15) | (((high[i] >> (2 * quarter)) & 3) << 4);
          target[i] = d * in->scales[half * 8 + quarter * 2 + i / 16] * (q - 32);
        }
      }
    }
  }
}

}  // namespace qs
