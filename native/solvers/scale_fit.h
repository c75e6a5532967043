#pragma once
// Better scales for codes that are known, out of those that a type can store. Where moments are not finite, scales stay as they are.
#include <cmath>

#include "../kernels/block_parts.h"

namespace qs {

/// What changes x of a scale and y of a zero do to an output error: 2·(x·la + y·sa) + x²·lhl + 2·x·y·lhs + y²·shs.
struct ScaleMoments {
  double la;
  double sa;
  double lhl;
  double lhs;
  double shs;

  /// False where products have left the range of float32: nothing follows from them then.
  bool areFinite() const { return std::isfinite(la + sa + lhl + lhs + shs); }
  double change(double x, double y) const { return 2 * (x * la + y * sa) + x * x * lhl + 2 * x * y * lhs + y * y * shs; }
};

/// The scales with the factors d and m of a block replaced by the best halves; the moments are those of both factors.
BlockScales fitFactors(const ScaleCodes& codes, const BlockScales& scales, const ScaleMoments& moments);

/// The scales with scale and zero of a group replaced by the best that can be stored.
BlockScales fitGroup(const ScaleCodes& codes, const BlockScales& scales, size_t group, const ScaleMoments& moments);

/// The scales with the scale of a group moved by so many codes, as far as there are any, and the zero that is best for it.
BlockScales moveGroup(const ScaleCodes& codes, const BlockScales& scales, size_t group, int by, const ScaleMoments& moments);

}  // namespace qs
