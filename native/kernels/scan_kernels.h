#pragma once
// The kernels of scans of one instruction set.
#include "scan_tile.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

/// Adds the figures of a tile. Returns whether all weights are finite; others count as 0.
bool scanLines(const ScanTile& tile, const LineFigures& at);

/// Moments and extremes of n > 0 finite weights.
StripFigures scanStrip(const float* x, size_t n);

/// into = max(into, from), element by element; returns the largest of `from`. None is negative.
float mergeMaxima(float* into, const float* from, size_t n);

/// Finite weights with |w| > threshold.
size_t countBeyond(const float* x, size_t n, float threshold);

/// Index of the bin of each weight, all of which are finite.
void binsOf(const float* x, size_t n, const BinScale& scale, int32_t* bins);

}  // namespace qs::QS_TARGET
