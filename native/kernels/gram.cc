#include "gram.h"

namespace qs::QS_TARGET {
namespace {

// A block of the target that is kept in registers: 12 accumulators leave room for two vectors of X and a product.
constexpr size_t kHeight = 6;
constexpr size_t kVectors = 2;
constexpr size_t kWidth = kVectors * kLanes;

static_assert(GramTile::kLeft % kHeight == 0 && GramTile::kRight % kWidth == 0);

/// Columns [first, first + columns) of some rows, as panels of `width` columns, each row after row; 0 beyond the last.
void pack(const GramTile& tile, size_t firstRow, size_t rows, size_t first, size_t columns, size_t width, float* out) {
  for (size_t panel = 0; panel < columns; panel += width) {
    const size_t some = columns - panel < width ? columns - panel : width;
    const float* from = tile.x + firstRow * tile.columns + first + panel;
    for (size_t row = 0; row < rows; ++row, from += tile.columns, out += width) {
      for (size_t i = 0; i < some; ++i) out[i] = from[i];
      for (size_t i = some; i < width; ++i) out[i] = 0.0f;
    }
  }
}

/// out[i][j] = Σ left[row][i] · right[row][j], in the order of the rows.
void multiply(const float* left, const float* right, size_t rows, float* out) {
  F32 sums[kHeight][kVectors];
  for (auto& row : sums) {
    for (F32& sum : row) sum = zeroFloats();
  }
  for (size_t row = 0; row < rows; ++row, left += kHeight, right += kWidth) {
    F32 factors[kVectors];
    for (size_t v = 0; v < kVectors; ++v) factors[v] = load(right + v * kLanes);
    for (size_t i = 0; i < kHeight; ++i) {
      const F32 factor = splat(left[i]);
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = sums[i][v] + factor * factors[v];
    }
  }
  for (size_t i = 0; i < kHeight; ++i) {
    for (size_t v = 0; v < kVectors; ++v) store(out + i * kWidth + v * kLanes, sums[i][v]);
  }
}

/// Adds what lies within the tile.
void addBlock(const GramTile& tile, size_t left, size_t right, const float* block) {
  const size_t height = tile.leftColumns - left < kHeight ? tile.leftColumns - left : kHeight;
  const size_t width = tile.rightColumns - right < kWidth ? tile.rightColumns - right : kWidth;
  for (size_t i = 0; i < height; ++i) {
    float* to = tile.target + (left + i) * tile.targetColumns + right;
    for (size_t j = 0; j < width; ++j) to[j] += block[i * kWidth + j];
  }
}

}  // namespace

void addGram(const GramTile& tile) {
  float* const left = tile.workspace;
  float* const right = left + GramTile::kLeft * GramTile::kDepth;
  for (size_t row = 0; row < tile.rows; row += GramTile::kDepth) {
    const size_t rows = tile.rows - row < GramTile::kDepth ? tile.rows - row : GramTile::kDepth;
    pack(tile, row, rows, tile.left, tile.leftColumns, kHeight, left);
    pack(tile, row, rows, tile.right, tile.rightColumns, kWidth, right);
    for (size_t j = 0; j < tile.rightColumns; j += kWidth) {
      for (size_t i = 0; i < tile.leftColumns; i += kHeight) {
        float block[kHeight * kWidth];
        multiply(left + i * rows, right + j * rows, rows, block);
        addBlock(tile, i, j, block);
      }
    }
  }
}

}  // namespace qs::QS_TARGET
