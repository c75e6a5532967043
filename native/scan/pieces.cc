#include "pieces.h"

#include <cmath>

namespace qs {
namespace {

constexpr size_t kPieces = 8;
constexpr size_t kLeastWeights = size_t{1} << 16;
// Matrices with longer rows are cut by columns: figures of all columns of each piece would need more memory than its weights.
constexpr size_t kLongRow = size_t{1} << 15;
// A multiple of all blocks.
constexpr size_t kColumnStep = 4096;

size_t roundedUp(size_t n, size_t step) { return (n + step - 1) / step * step; }

void cutRectangle(const Rectangle& whole, std::vector<Rectangle>& pieces) {
  const size_t target = std::max(kLeastWeights, whole.rows * whole.columns / kPieces);
  if (whole.columns > kLongRow) {
    const size_t step = roundedUp(std::max<size_t>(1, target / whole.rows), kColumnStep);
    for (size_t done = 0; done < whole.columns; done += step) {
      pieces.push_back({whole.row, whole.rows, whole.column + done, std::min(step, whole.columns - done)});
    }
    return;
  }
  const size_t step = roundedUp(std::max<size_t>(1, target / whole.columns), kTileRows);
  for (size_t done = 0; done < whole.rows; done += step) {
    pieces.push_back({whole.row + done, std::min(step, whole.rows - done), whole.column, whole.columns});
  }
}

}  // namespace

size_t keepFinite(float* x, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) x[kept++] = x[i];
  }
  return kept;
}

std::vector<Rectangle> cutSlab(uint64_t firstWeight, size_t weights, size_t columns) {
  std::vector<Rectangle> pieces;
  for (size_t done = 0; done < weights;) {
    const uint64_t at = firstWeight + done;
    const auto row = static_cast<size_t>(at / columns);
    const auto column = static_cast<size_t>(at % columns);
    const size_t rest = weights - done;
    const bool isWhole = column == 0 && rest >= columns;
    const Rectangle next = isWhole ? Rectangle{row, rest / columns, 0, columns}
                                   : Rectangle{row, 1, column, std::min(columns - column, rest)};
    cutRectangle(next, pieces);
    done += next.rows * next.columns;
  }
  return pieces;
}

}  // namespace qs
