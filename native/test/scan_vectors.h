#pragma once
// The figures of a tile of weights by the kernels of scans, in arrays of exactly the right size.
#include <memory>
#include <vector>

#include "../kernels/kernels.h"
#include "inputs.h"

namespace qs::test {

/// `columns` is at most kTileColumns. Some of the weights are not finite for scanLines alone.
inline std::vector<double> scanFigures(const Kernels& table, const Input& input, size_t rows, size_t columns) {
  const size_t padded = (columns + kTileLanes - 1) / kTileLanes * kTileLanes;
  const size_t size = (rows - 1) * kTileColumns + padded;
  const std::unique_ptr<float[]> x(new float[size]());
  const auto weights = draw(input, rows * columns, 20);
  for (size_t i = 0; i < weights.size(); ++i) x[i / columns * kTileColumns + i % columns] = weights[i];
  std::vector<double> found;
  const StripFigures strip = table.scanStrip(x.get(), columns);
  found.insert(found.end(), {strip.mean, strip.squares, strip.cubes, strip.fourths, strip.min, strip.max});
  found.insert(found.end(), {static_cast<double>(strip.zeros), static_cast<double>(strip.bits)});
  found.push_back(static_cast<double>(table.countBeyond(x.get(), columns, 0.5f)));
  std::vector<int32_t> bins(columns);
  table.binsOf(x.get(), columns, {-2.0, 10.0, 39.0}, bins.data());
  found.insert(found.end(), bins.begin(), bins.end());

  x[columns / 2] = NAN;
  x[size - padded] = -INFINITY;
  std::vector<float> rowMax(rows);
  std::vector<float> columnMax(padded);
  std::vector<double> rowSquares(rows);
  std::vector<double> columnSquares(padded);
  const bool isFinite =
      table.scanLines({x.get(), rows, padded}, {rowMax.data(), rowSquares.data(), columnMax.data(), columnSquares.data()});
  std::vector<float> merged(columns, 0.25f);
  found.push_back(isFinite ? 1 : table.mergeMaxima(merged.data(), columnMax.data(), columns));
  for (const auto* values : {&rowMax, &columnMax, &merged}) found.insert(found.end(), values->begin(), values->end());
  for (const auto* values : {&rowSquares, &columnSquares}) found.insert(found.end(), values->begin(), values->end());
  return found;
}

}  // namespace qs::test
