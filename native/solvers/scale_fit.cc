#include "scale_fit.h"

#include <algorithm>
#include <cmath>

#include "../kernels/floats.h"

namespace qs {
namespace {

float half(double value) { return floatFromHalf(halfFromFloat(static_cast<float>(value))); }

/// The best x, y being free too where there are zeros; 0 where the moments do not say.
double bestScale(const ScaleMoments& m, bool hasZeros) {
  const double determinant = m.lhl * m.shs - m.lhs * m.lhs;
  if (hasZeros && determinant > 1e-9 * m.lhl * m.shs) return (m.lhs * m.sa - m.shs * m.la) / determinant;
  return m.lhl > 0 ? -m.la / m.lhl : 0;
}

/// The best y for an x.
double bestZero(const ScaleMoments& m, double x) { return m.shs > 0 ? -(m.sa + x * m.lhs) / m.shs : 0; }

/// A code of a scale with the best zero for it, and what both change.
struct Candidate {
  BlockScales scales;
  double change;
};

Candidate withCode(const ScaleCodes& codes, const BlockScales& scales, size_t group, int code, const ScaleMoments& moments) {
  BlockScales found = scales;
  found.scales[group] = std::clamp(code, codes.low, codes.high);
  const double x = codes.scaleOf(found, group) - codes.scaleOf(scales, group);
  if (codes.hasZeros && scales.m != 0.0f) {
    const double zero = codes.zeroOf(scales, group) + bestZero(moments, x);
    const double minimum = std::clamp<double>(zero / scales.m, codes.minimumLow, codes.minimumHigh);
    found.minimums[group] = static_cast<int>(std::lround(minimum));
  }
  const double y = codes.hasZeros ? codes.zeroOf(found, group) - codes.zeroOf(scales, group) : 0.0f;
  return {found, moments.change(x, y)};
}

}  // namespace

BlockScales fitFactors(const ScaleCodes& codes, const BlockScales& scales, const ScaleMoments& moments) {
  if (!moments.areFinite()) return scales;
  BlockScales found = scales;
  found.d = half(scales.d + bestScale(moments, codes.hasZeros));
  if (codes.hasZeros) found.m = half(scales.m + bestZero(moments, found.d - scales.d));
  return std::isfinite(found.d) && std::isfinite(found.m) ? found : scales;
}

BlockScales fitGroup(const ScaleCodes& codes, const BlockScales& scales, size_t group, const ScaleMoments& moments) {
  if (codes.low == codes.high) return fitFactors(codes, scales, moments);
  if (!moments.areFinite()) return scales;
  const int code = scales.scales[group];
  int low = code - 1;
  int high = code + 1;
  if (codes.hasFactor) {
    if (scales.d == 0.0f) return scales;
    const double wanted = (codes.scaleOf(scales, group) + bestScale(moments, codes.hasZeros && scales.m != 0.0f)) / scales.d;
    low = static_cast<int>(std::floor(std::clamp<double>(wanted, codes.low, codes.high)));
    high = low + 1;
  }
  Candidate best = withCode(codes, scales, group, code, moments);
  for (const int other : {low, high}) {
    const Candidate candidate = withCode(codes, scales, group, other, moments);
    if (candidate.change < best.change) best = candidate;
  }
  return best.scales;
}

BlockScales moveGroup(const ScaleCodes& codes, const BlockScales& scales, size_t group, int by, const ScaleMoments& moments) {
  if (!moments.areFinite()) return scales;
  if (codes.low == codes.high) {
    BlockScales found = scales;
    found.d = half(scales.d * (1 + by / 64.0));
    if (codes.hasZeros) found.m = half(scales.m + bestZero(moments, found.d - scales.d));
    return std::isfinite(found.d) && std::isfinite(found.m) ? found : scales;
  }
  return withCode(codes, scales, group, scales.scales[group] + by, moments).scales;
}

}  // namespace qs
