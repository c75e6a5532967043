#pragma once
// What one rectangle adds in the first pass of a scan.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"
#include "moments.h"
#include "pieces.h"
#include "value_counts.h"

namespace qs {

/// Figures of rows or of columns, one entry for each of them.
struct Lines {
  std::vector<float> absMax;
  std::vector<double> squares;
  std::vector<uint32_t> bad;  // weights that are not finite; empty where all are

  // Zero figures of so many lines, and room for the padding of tiles.
  explicit Lines(size_t lines = 0, size_t padding = 0) : absMax(lines + padding), squares(lines + padding) {}
  void addBad(size_t line, size_t lines, uint32_t count = 1);
};

struct FirstPart {
  Rectangle area{};
  Lines rows, columns;
  // Largest |w| of the cells of the map that the area touches, row-major.
  size_t firstMapRow = 0, firstMapColumn = 0, mapColumns = 0;
  std::vector<float> cells;
  // Of dtypes whose values are not counted one by one.
  Moments moments;
  float min = 0, max = 0;
  uint64_t zeros = 0, nans = 0, infinities = 0;
  uint32_t bits = 0;  // of all finite float32 together
};

/// Weights per cell of the map, in each direction.
struct MapCells {
  size_t rows = 1;
  size_t columns = 1;
};

FirstPart firstPart(const ScanSlab& slab, const Rectangle& area, const MapCells& cells, ValueCounts& counts);

}  // namespace qs
