// Runs coordinate descent on the codes of ggml types on the thread pool with every instruction set of this processor, and compares what is left of
// the errors with simple loops. Sanitizers detect accesses outside a buffer and undefined behaviour.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../solvers/descent.h"
#include "../solvers/hessian_tiles.h"
#include "../solvers/own_hessians.h"
#include "../solvers/two_sided.h"
#include "matrices.h"

namespace {

using namespace qs;
using namespace qs::test;

/// Grid of the codes of a type, whose scales are known.
WeightGrid gridOfType(std::string_view type) {
  if (type == "Q4_0") return integers(4, true, ZeroKind::None);
  return integers(4, false, ZeroKind::Minimum);
}

void descents() {
  for (const std::string type : {"Q4_0", "Q4_1", "Q4_K"}) {
    const Codec& codec = *codecNamed(type);
    const size_t columns = 2 * codec.block;
    const size_t rows = 67;
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    std::vector<float> tiles(hessian.size());
    tileHessian(hessian, 0.0, 32, columns, tiles, nullptr);
    const auto weights = weightsOf(rows * columns, 6);
    std::vector<uint8_t> first;
    overSets([&](const std::string& set) {
      std::vector<uint8_t> blocks(weights.size() / codec.block * codec.bytes);
      encodeRows(codec, weights, columns, {}, blocks, nullptr);
      std::vector<float> decoded(weights.size());
      decodeTensor(codec, blocks, decoded, nullptr);
      std::vector<double> before(rows);
      for (size_t row = 0; row < rows; ++row) {
        before[row] = lossOf(hessian, weights.data() + row * columns, decoded.data() + row * columns, columns);
      }
      std::vector<double> losses(rows);
      const WeightGrid grid = gridOfType(type);
      descend({type, &grid, {tiles, columns, 0.0}, weights, blocks, 2}, losses, nullptr);
      decodeTensor(codec, blocks, decoded, nullptr);
      for (size_t row = 0; row < rows; ++row) {
        const double after = lossOf(hessian, weights.data() + row * columns, decoded.data() + row * columns, columns);
        expect(isNear(losses[row], after, 1e-3) && after <= before[row] * (1 + 1e-4), type + ", " + set + ": losses of rows");
      }
      if (first.empty()) first = blocks;
      expect(blocks == first, type + ", " + set + ": the blocks of all instruction sets");
    });
  }
}

/// tr(G·D·H·Dᵀ) of errors D `[rows, columns]`.
double bothSidesLoss(const std::vector<double>& covariance, const std::vector<double>& hessian, const std::vector<float>& weights,
                     const std::vector<float>& decoded, size_t rows) {
  const size_t columns = weights.size() / rows;
  double sum = 0;
  for (size_t i = 0; i < rows; ++i) {
    // Σ over the rows r of G[i, r] · D[r] is one row, so that its product with H is needed once.
    std::vector<double> mixed(columns, 0.0);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t k = 0; k < columns; ++k) {
        const double error = static_cast<double>(decoded[r * columns + k]) - static_cast<double>(weights[r * columns + k]);
        mixed[k] += covariance[i * rows + r] * error;
      }
    }
    for (size_t j = 0; j < columns; ++j) {
      const double error = static_cast<double>(decoded[i * columns + j]) - static_cast<double>(weights[i * columns + j]);
      for (size_t k = 0; k < columns; ++k) sum += error * hessian[j * columns + k] * mixed[k];
    }
  }
  return sum;
}

void descentsOfBothSides() {
  for (const std::string type : {"Q4_0", "Q4_1", "Q4_K"}) {
    const Codec& codec = *codecNamed(type);
    const size_t columns = 2 * codec.block;
    const size_t rows = 67;
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    const auto covariance = gramOf(inputsOf(3 * rows, rows), rows);
    const auto weights = weightsOf(rows * columns, 6);
    std::vector<uint8_t> first;
    overSets([&](const std::string& set) {
      std::vector<uint8_t> blocks(weights.size() / codec.block * codec.bytes);
      encodeRows(codec, weights, columns, {}, blocks, nullptr);
      std::vector<float> decoded(weights.size());
      decodeTensor(codec, blocks, decoded, nullptr);
      const double before = bothSidesLoss(covariance, hessian, weights, decoded, rows);
      const WeightGrid grid = gridOfType(type);
      descendBothSides({type, grid, {hessian, 0.0}, {covariance, 0.0}, weights, blocks, 2}, nullptr);
      decodeTensor(codec, blocks, decoded, nullptr);
      const double after = bothSidesLoss(covariance, hessian, weights, decoded, rows);
      expect(after < before, type + ", " + set + ": the error by both sides");
      if (first.empty()) first = blocks;
      expect(blocks == first, type + ", " + set + ": the blocks of all instruction sets");
    });
  }
}

/// d·H·dᵀ of a row with 0.3 · H + 0.7 · c · YᵀY, both parts of the same trace.
double ownLoss(const std::vector<double>& hessian, const std::vector<float>& inputs, const float* weights, const float* decoded,
               size_t columns) {
  double squares = 0;
  double outputs = 0;
  for (size_t at = 0; at < inputs.size(); at += columns) {
    double sum = 0;
    for (size_t k = 0; k < columns; ++k) {
      const double x = inputs[at + k];
      squares += x * x;
      sum += x * (static_cast<double>(decoded[k]) - static_cast<double>(weights[k]));
    }
    outputs += sum * sum;
  }
  double trace = 0;
  for (size_t i = 0; i < columns; ++i) trace += hessian[i * (columns + 1)];
  return 0.3 * lossOf(hessian, weights, decoded, columns) + 0.7 * trace / squares * outputs;
}

void descentsWithOwnHessians() {
  for (const std::string type : {"Q4_0", "Q4_1", "Q4_K"}) {
    const Codec& codec = *codecNamed(type);
    const size_t columns = 320 / codec.block * codec.block;
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    const auto weights = weightsOf(3 * columns, 6);
    const auto own = inputsOf(7, columns);
    const std::vector<float> last(own.begin() + static_cast<std::ptrdiff_t>(2 * columns), own.end());
    const std::vector<int32_t> starts{0, 0, 2, 7};  // none for the first row
    std::vector<uint8_t> first;
    overSets([&](const std::string& set) {
      std::vector<uint8_t> blocks(weights.size() / codec.block * codec.bytes);
      encodeRows(codec, weights, columns, {}, blocks, nullptr);
      std::vector<float> before(weights.size());
      decodeTensor(codec, blocks, before, nullptr);
      const WeightGrid grid = gridOfType(type);
      descendOwnHessians({type, grid, {hessian, 0.0}, 0.7, own, starts, weights, blocks, 2}, nullptr);
      std::vector<float> after(weights.size());
      decodeTensor(codec, blocks, after, nullptr);
      expect(std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(columns), after.begin()),
             type + ", " + set + ": a row without inputs keeps its blocks");
      const size_t at = 2 * columns;
      const double loss = ownLoss(hessian, last, weights.data() + at, before.data() + at, columns);
      expect(ownLoss(hessian, last, weights.data() + at, after.data() + at, columns) < loss,
             type + ", " + set + ": the error by inputs of its own");
      if (first.empty()) first = blocks;
      expect(blocks == first, type + ", " + set + ": the blocks of all instruction sets");
    });
  }
}

}  // namespace

int main() {
  Pool::shared().setThreads(4);
  descents();
  descentsOfBothSides();
  descentsWithOwnHessians();
  return failures == 0 ? 0 : 1;
}
