#pragma once
// How errors of eight weights count while all others stay as they are.
#include "nearest_octet.h"

namespace qs {

/// The part of a Hessian that belongs to eight consecutive columns, factorized in float64.
class OctetCurvature {
 public:
  /// @param tile of the eight columns, `[2, 8, 4]` as tileHessian gives it. A part that is not positive definite counts by its diagonal.
  explicit OctetCurvature(const float* tile);

  const OctetMetric& metric() const { return metric_; }

  /// The point of least error for values whose gradients (of half the error) are given, as a target.
  OctetTarget optimum(const double* values, const double* gradients) const;

 private:
  double root_[kOctet][kOctet] = {};  // R, upper triangular: the part is R·Rᵀ
  OctetMetric metric_{};
};

}  // namespace qs
