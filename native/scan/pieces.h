#pragma once
// How a slab of consecutive weights is cut for the thread pool, and decoded tile by tile.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../kernels/codec.h"
#include "../kernels/scan_tile.h"

namespace qs {

/// A rectangle of a matrix.
struct Rectangle {
  size_t row, rows;
  size_t column, columns;
};

/// The weights of a slab in rectangles of about equal size, in an order that depends on nothing else: whole rows, or ranges of
/// the columns of long ones. The first and the last row of the slab may be cut.
std::vector<Rectangle> cutSlab(uint64_t firstWeight, size_t weights, size_t columns);

/// Some consecutive weights of a matrix, as its file holds them.
struct ScanSlab {
  const Codec& codec;
  const uint8_t* data;
  uint64_t firstWeight;
  size_t columns;  // of the matrix

  const uint8_t* at(size_t row, size_t column) const {
    const uint64_t weight = static_cast<uint64_t>(row) * columns + column - firstWeight;
    return data + weight / codec.block * codec.bytes;
  }
};

/// Moves the finite ones of some weights to the front; returns how many there are.
size_t keepFinite(float* x, size_t n);

/// Visits a rectangle of at most kTileRows rows tile by tile, decoded: visit(tile, first column, columns).
template <typename Visit>
void overTiles(const ScanSlab& slab, const Rectangle& strip, const Visit& visit) {
  alignas(64) float x[kTileRows * kTileColumns];
  const size_t end = strip.column + strip.columns;
  for (size_t column = strip.column; column < end; column += kTileColumns) {
    const size_t width = std::min(kTileColumns, end - column);
    const size_t padded = (width + kTileLanes - 1) / kTileLanes * kTileLanes;
    for (size_t r = 0; r < strip.rows; ++r) {
      float* row = x + r * kTileColumns;
      slab.codec.decode(slab.at(strip.row + r, column), row, width);
      std::fill(row + width, row + padded, 0.0f);
    }
    visit(ScanTile{x, strip.rows, padded}, column, width);
  }
}

}  // namespace qs
