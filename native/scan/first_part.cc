#include "first_part.h"

#include <cmath>
#include <limits>

#include "code_table.h"

namespace qs {
namespace {

class FirstScan {
 public:
  FirstScan(const ScanSlab& slab, const Rectangle& area, const MapCells& cells, ValueCounts& counts)
      : slab_(slab), cells_(cells), counts_(counts), isCoded_(isCoded(slab.codec)), bandMax_(area.columns + kTileLanes) {
    part_.area = area;
    part_.rows = Lines(area.rows);
    part_.columns = Lines(area.columns, kTileLanes);
    part_.firstMapRow = area.row / cells.rows;
    part_.firstMapColumn = area.column / cells.columns;
    part_.mapColumns = (area.column + area.columns - 1) / cells.columns - part_.firstMapColumn + 1;
    part_.cells.resize(((area.row + area.rows - 1) / cells.rows - part_.firstMapRow + 1) * part_.mapColumns);
    part_.min = std::numeric_limits<float>::infinity();
    part_.max = -part_.min;
  }

  /// Bands of the map, whose rows share cells, one after the other.
  FirstPart run() {
    const size_t end = part_.area.row + part_.area.rows;
    for (size_t row = part_.area.row; row < end;) {
      const size_t bandEnd = std::min(end, (row / cells_.rows + 1) * cells_.rows);
      const size_t mapRow = row / cells_.rows - part_.firstMapRow;
      std::fill(bandMax_.begin(), bandMax_.end(), 0.0f);
      for (; row < bandEnd; row += std::min(kTileRows, bandEnd - row)) addRows(row, std::min(kTileRows, bandEnd - row));
      foldBand(mapRow);
    }
    return std::move(part_);
  }

 private:
  void addRows(size_t row, size_t rows) {
    const Rectangle strip{row, rows, part_.area.column, part_.area.columns};
    overTiles(slab_, strip, [&](const ScanTile& tile, size_t column, size_t width) {
      const size_t atRow = row - part_.area.row;
      const size_t atColumn = column - part_.area.column;
      const LineFigures at{part_.rows.absMax.data() + atRow, part_.rows.squares.data() + atRow, bandMax_.data() + atColumn,
                           part_.columns.squares.data() + atColumn};
      const bool isFinite = kernels().scanLines(tile, at);
      for (size_t r = 0; r < rows; ++r) {
        float* x = tile.x + r * kTileColumns;
        if (!isFinite) noteBad(x, width, atRow + r, atColumn);
        if (isCoded_) {
          counts_.add(slab_.at(row + r, column), width);
        } else {
          counts_.addUpperHalves(x, width);
          addStrip(x, isFinite ? width : keepFinite(x, width));
        }
      }
    });
  }

  void noteBad(const float* x, size_t n, size_t row, size_t column) {
    for (size_t i = 0; i < n; ++i) {
      if (std::isfinite(x[i])) continue;
      part_.rows.addBad(row, part_.area.rows);
      part_.columns.addBad(column + i, part_.area.columns);
      ++(std::isnan(x[i]) ? part_.nans : part_.infinities);
    }
  }

  void addStrip(const float* x, size_t n) {
    if (n == 0) return;
    const StripFigures strip = kernels().scanStrip(x, n);
    part_.moments.add({static_cast<double>(n), strip.mean, strip.squares, strip.cubes, strip.fourths});
    part_.min = std::min(part_.min, strip.min);
    part_.max = std::max(part_.max, strip.max);
    part_.zeros += strip.zeros;
    part_.bits |= strip.bits;
  }

  void foldBand(size_t mapRow) {
    const size_t columns = part_.area.columns;
    float* cells = part_.cells.data() + mapRow * part_.mapColumns;
    for (size_t column = 0; column < columns;) {
      const size_t mapColumn = (part_.area.column + column) / cells_.columns;
      const size_t end = std::min(columns, (mapColumn + 1) * cells_.columns - part_.area.column);
      float& cell = cells[mapColumn - part_.firstMapColumn];
      cell = std::max(cell, kernels().mergeMaxima(part_.columns.absMax.data() + column, bandMax_.data() + column, end - column));
      column = end;
    }
  }

  const ScanSlab& slab_;
  const MapCells& cells_;
  ValueCounts& counts_;
  bool isCoded_;
  std::vector<float> bandMax_;  // largest |w| of each column in the band
  FirstPart part_;
};

}  // namespace

void Lines::addBad(size_t line, size_t lines, uint32_t count) {
  if (bad.empty()) bad.resize(lines);
  bad[line] += count;
}

FirstPart firstPart(const ScanSlab& slab, const Rectangle& area, const MapCells& cells, ValueCounts& counts) {
  return FirstScan(slab, area, cells, counts).run();
}

}  // namespace qs
