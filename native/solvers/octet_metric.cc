#include "octet_metric.h"

#include <cmath>

namespace qs {
namespace {

double element(const float* tile, size_t row, size_t column) {
  return static_cast<double>(tile[(column / 4 * kOctet + row) * 4 + column % 4]);
}

/// Fills R of a part from its last column on. Returns false where it is not positive definite.
bool factorize(const float* tile, double (*root)[kOctet]) {
  for (size_t k = kOctet; k-- > 0;) {
    for (size_t j = k + 1; j-- > 0;) {
      double sum = element(tile, j, k);
      for (size_t i = k + 1; i < kOctet; ++i) sum -= root[j][i] * root[k][i];
      if (j == k && !(sum > 0)) return false;
      root[j][k] = j == k ? std::sqrt(sum) : sum / root[k][k];
    }
  }
  return true;
}

}  // namespace

OctetCurvature::OctetCurvature(const float* tile) {
  if (!factorize(tile, root_)) {
    for (size_t k = 0; k < kOctet; ++k) {
      for (size_t j = 0; j < kOctet; ++j) root_[k][j] = 0;
      root_[k][k] = std::sqrt(element(tile, k, k));
    }
  }
  for (size_t k = 0; k < kOctet; ++k) {
    metric_.squares[k] = root_[k][k] * root_[k][k];
    for (size_t j = 0; j < k; ++j) metric_.factors[j][k] = root_[j][k] / root_[k][k];
  }
}

OctetTarget OctetCurvature::optimum(const double* values, const double* gradients) const {
  double middle[kOctet];  // R · middle = gradients
  for (size_t k = kOctet; k-- > 0;) {
    double sum = gradients[k];
    for (size_t i = k + 1; i < kOctet; ++i) sum -= root_[k][i] * middle[i];
    middle[k] = sum / root_[k][k];
  }
  OctetTarget target{};
  double steps[kOctet];  // Rᵀ · steps = middle
  for (size_t k = 0; k < kOctet; ++k) {
    double sum = middle[k];
    for (size_t i = 0; i < k; ++i) sum -= root_[i][k] * steps[i];
    steps[k] = sum / root_[k][k];
    target.weights[k] = values[k] - steps[k];
  }
  return target;
}

}  // namespace qs
