#pragma once
// Figures of a tile of decoded weights that fits the L1 cache. All sums are float64, in an order that is the same for every
// instruction set.
#include <cstddef>
#include <cstdint>

namespace qs {

inline constexpr size_t kTileRows = 8;
inline constexpr size_t kTileColumns = 512;
// Sums of a row are those of so many lanes. Rows of a tile are padded with zeros to a multiple of it, and so are arrays of
// figures of columns.
inline constexpr size_t kTileLanes = 16;

// Row r is at x + r · kTileColumns; `columns` includes the padding.
struct ScanTile {
  float* x;
  size_t rows;
  size_t columns;
};

// Largest |w| and Σw² of lines, one entry for each row of a tile and for each column.
struct LineFigures {
  float* rowMax;
  double* rowSquares;
  float* columnMax;
  double* columnSquares;
};

// Of some finite weights.
struct StripFigures {
  double mean = 0;
  double squares = 0, cubes = 0, fourths = 0;  // sums of powers of the distances from the mean
  float min = 0, max = 0;
  size_t zeros = 0;
  uint32_t bits = 0;  // of all float32 together
};

// Where weights are counted: bins of equal width over a range, as in Bins (measures.h).
struct BinScale {
  double min;
  double perUnit;
  double last;
};

}  // namespace qs
