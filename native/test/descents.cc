// Runs coordinate descent on the codes of ggml types on the thread pool with every instruction set of this processor, and compares what is left of
// the errors with simple loops. Sanitizers detect accesses outside a buffer and undefined behaviour.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
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

/// Weights in blocks of a type, and what these decode to.
struct Encoded {
  const Codec& codec;
  std::vector<float> weights;
  std::vector<uint8_t> blocks;

  Encoded(const std::string& type, size_t rows, size_t columns)
      : codec(*codecNamed(type)), weights(weightsOf(rows * columns, 6)), blocks(weights.size() / codec.block * codec.bytes) {
    encodeRows(codec, weights, columns, {}, blocks, nullptr);
  }

  std::vector<float> decoded() const {
    std::vector<float> values(weights.size());
    decodeTensor(codec, blocks, values, nullptr);
    return values;
  }
};

/// Calls work(type, set, encoded weights) with each instruction set, which all have to leave the same blocks.
template <typename Work>
void overTypes(size_t rows, size_t leastColumns, const Work& work) {
  for (const std::string type : {"Q4_0", "Q4_1", "Q4_K"}) {
    const size_t block = codecNamed(type)->block;
    const size_t columns = std::max(block, leastColumns / block * block);
    std::vector<uint8_t> first;
    overSets([&](const std::string& set) {
      Encoded encoded(type, rows, columns);
      work(type, type + ", " + set, encoded, columns);
      if (first.empty()) first = encoded.blocks;
      expect(encoded.blocks == first, type + ", " + set + ": the blocks of all instruction sets");
    });
  }
}

constexpr size_t kRows = 67;

std::vector<float> tilesOf(const std::vector<double>& hessian, size_t columns) {
  std::vector<float> tiles(hessian.size());
  tileHessian(hessian, 0.0, 32, columns, tiles, nullptr);
  return tiles;
}

void descents() {
  overTypes(kRows, 320, [](const std::string& type, const std::string& name, Encoded& encoded, size_t columns) {
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    const auto tiles = tilesOf(hessian, columns);
    const float* weights = encoded.weights.data();
    const std::vector<float> before = encoded.decoded();
    std::vector<double> losses(kRows);
    const WeightGrid grid = gridOfType(type);
    descend({type, &grid, {tiles, columns, 0.0}, encoded.weights, encoded.blocks, 2}, losses, nullptr);
    const std::vector<float> after = encoded.decoded();
    for (size_t row = 0; row < kRows; ++row) {
      const size_t at = row * columns;
      const double loss = lossOf(hessian, weights + at, after.data() + at, columns);
      const double bound = lossOf(hessian, weights + at, before.data() + at, columns) * (1 + 1e-4);
      expect(isNear(losses[row], loss, 1e-3) && loss <= bound, name + ": losses of rows");
    }
  });
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
  const auto covariance = gramOf(inputsOf(3 * kRows, kRows), kRows);
  overTypes(kRows, 320, [&](const std::string& type, const std::string& name, Encoded& encoded, size_t columns) {
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    const auto tiles = tilesOf(hessian, columns);
    const double before = bothSidesLoss(covariance, hessian, encoded.weights, encoded.decoded(), kRows);
    const WeightGrid grid = gridOfType(type);
    descendBothSides({type, &grid, {tiles, columns, 0.0}, encoded.weights, encoded.blocks, 2}, {covariance, 0.0}, nullptr);
    const double after = bothSidesLoss(covariance, hessian, encoded.weights, encoded.decoded(), kRows);
    expect(after < before, name + ": the error by both sides");
  });
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
  overTypes(3, 320, [](const std::string& type, const std::string& name, Encoded& encoded, size_t columns) {
    const auto hessian = gramOf(inputsOf(3 * columns, columns), columns);
    const auto own = inputsOf(7, columns);
    const std::vector<float> last(own.begin() + static_cast<std::ptrdiff_t>(2 * columns), own.end());
    const std::vector<int32_t> starts{0, 0, 2, 7};  // none for the first row
    const std::vector<float> before = encoded.decoded();
    const WeightGrid grid = gridOfType(type);
    descendOwnHessians({type, grid, {hessian, 0.0}, 0.7, own, starts, encoded.weights, encoded.blocks, 2}, nullptr);
    const std::vector<float> after = encoded.decoded();
    expect(std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(columns), after.begin()),
           name + ": a row without inputs keeps its blocks");
    const size_t at = 2 * columns;
    const double loss = ownLoss(hessian, last, encoded.weights.data() + at, before.data() + at, columns);
    expect(ownLoss(hessian, last, encoded.weights.data() + at, after.data() + at, columns) < loss,
           name + ": the error by inputs of its own");
  });
}

}  // namespace

int main() {
  Pool::shared().setThreads(4);
  descents();
  descentsOfBothSides();
  descentsWithOwnHessians();
  return failures == 0 ? 0 : 1;
}
