#pragma once
// Matrices that solvers are tested with, and simple loops that their results are compared with.
#include <cmath>
#include <exception>
#include <string>
#include <vector>

#include "../grid_operations.h"
#include "expect.h"
#include "inputs.h"

namespace qs::test {

template <typename Work>
void expectError(const std::string& what, const Work& work) {
  try {
    work();
    expect(false, what + " is an error");
  } catch (const std::exception&) {
  }
}

inline bool isNear(double found, double expected, double tolerance) {
  return std::fabs(found - expected) <= tolerance * (std::fabs(expected) + 1e-30);
}

inline std::vector<float> weightsOf(size_t n, uint64_t seed) { return draw(kInputs[0], n, seed); }

/// Inputs that have some directions in common.
inline std::vector<float> inputsOf(size_t tokens, size_t columns) {
  auto inputs = draw(kInputs[0], tokens * columns, 5);
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t c = 1; c < columns; ++c) inputs[t * columns + c] += 0.7f * inputs[t * columns + c - 1];
  }
  return inputs;
}

inline std::vector<double> gramOf(const std::vector<float>& inputs, size_t columns) {
  std::vector<double> gram(columns * columns);
  for (size_t t = 0; t < inputs.size(); t += columns) {
    for (size_t i = 0; i < columns; ++i) {
      for (size_t j = 0; j < columns; ++j) {
        gram[i * columns + j] += static_cast<double>(inputs[t + i]) * static_cast<double>(inputs[t + j]);
      }
    }
  }
  return gram;
}

/// d·H·dᵀ of a row d of decoded − weight.
inline double lossOf(const std::vector<double>& hessian, const float* weights, const float* decoded, size_t columns) {
  double sum = 0;
  for (size_t i = 0; i < columns; ++i) {
    const double own = static_cast<double>(decoded[i]) - static_cast<double>(weights[i]);
    for (size_t j = 0; j < columns; ++j) {
      sum += own * hessian[i * columns + j] * (static_cast<double>(decoded[j]) - static_cast<double>(weights[j]));
    }
  }
  return sum;
}

/// Calls work(name) with each instruction set in use.
template <typename Work>
void overSets(const Work& work) {
  for (const Kernels* set : availableKernels()) {
    useKernels(set->name);
    work(std::string(set->name));
  }
  useKernels(availableKernels()[0]->name);
}

inline WeightGrid integers(int bits, bool isSigned, ZeroKind zero) {
  WeightGrid grid;
  grid.levels.bits = bits;
  grid.levels.isSigned = isSigned;
  grid.levels.low = isSigned ? static_cast<float>(-(1 << (bits - 1))) : 0.0f;
  grid.levels.high = grid.levels.low + static_cast<float>((1 << bits) - 1);
  grid.zero = zero;
  grid.rule.kind = zero == ZeroKind::None ? ScaleRule::Kind::Absmax : ScaleRule::Kind::Range;
  grid.rule.divisor = grid.levels.high;
  return grid;
}

}  // namespace qs::test
