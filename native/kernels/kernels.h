#pragma once
// The kernels of one instruction set, and which of them is in use.
#include <cstddef>
#include <span>
#include <string_view>

#include "clip_search.h"
#include "codec.h"
#include "factors.h"
#include "measures.h"
#include "grid_row.h"
#include "scan_tile.h"
#include "slab.h"
#include "weight_grid.h"

namespace qs {

struct Kernels {
  std::string_view name;  // "AVX-512", "AVX2", "NEON" or "scalar"
  std::span<const Codec> codecs;
  // Rows in a grid.
  GroupSpan (*spanOfWeights)(const float* x, size_t n);
  void (*encodeGridRow)(const WeightGrid& grid, const float* x, GridRow row, uint8_t* codes);
  void (*decodeGridRow)(const WeightGrid& grid, const uint8_t* codes, GridRow row, float* y);
  void (*decodePermutedRow)(const WeightGrid& grid, const uint8_t* codes, GridRow row, const int32_t* groups, float* y);
  // Scales and zero points of some groups, with the range that gives the least error.
  void (*searchClips)(const WeightGrid& grid, const ClipSearch& search, size_t first, size_t count, ParameterTarget target);
  ErrorSums (*errorSums)(const float* x, const float* decoded, size_t n);
  // Index of the first NaN or infinity, or n.
  size_t (*firstNonFinite)(const float* x, size_t n);
  void (*copyWeights)(float* to, const float* from, size_t n);
  // Adds a slice of the vocabulary to the LogitSums::kCount sums of a row.
  void (*accumulateLogits)(const LogitSlice& slice, double* sums);
  // products.h
  void (*addProducts)(double* sums, size_t stride, Factors left, const double* right, size_t count);
  void (*subtractProducts)(double* sums, size_t stride, Factors left, const double* right, size_t count);
  size_t (*factorDiagonal)(double* block, size_t stride, double* transposed);
  void (*solveRows)(double* rows, size_t stride, size_t count, const double* transposed);
  // feedback.h
  void (*addFeedback)(float* sums, const float* errors, const float* tiles, size_t before, size_t width);
  void (*predictColumns)(const ColumnRun& run, float* targets);
  void (*quantizeColumns)(const WeightGrid& grid, const ColumnRun& run, const RunParameters& parameters,
                          const RunResults& results);
  void (*followColumns)(const ColumnRun& run, const float* decoded, const RunResults& results);
  // descent.h
  void (*sweepGroup)(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales);
  void (*rescaleGroup)(const WeightGrid& grid, const GroupRun& run, const GroupScales& scales);
  void (*groupMoments)(const GroupRun& run, const float* levels, const GroupMoments& moments);
  // row_descent.h
  void (*addRows)(float* to, const float* factors, const float* rows, size_t stride, size_t count, size_t width);
  void (*sweepRow)(const WeightGrid& grid, const RowRun& run, const RowScale& scale);
  void (*rescaleRow)(const WeightGrid& grid, const RowRun& run, const RowScale& scale);
  // scan_kernels.h
  bool (*scanLines)(const ScanTile& tile, const LineFigures& at);
  StripFigures (*scanStrip)(const float* x, size_t n);
  float (*mergeMaxima)(float* into, const float* from, size_t n);
  size_t (*countBeyond)(const float* x, size_t n, float threshold);
  void (*binsOf)(const float* x, size_t n, const BinScale& scale, int32_t* bins);
};

// Those that this processor supports, the widest first.
std::span<const Kernels* const> availableKernels();
// The widest, unless another was selected.
const Kernels& kernels();
// False when this processor does not have it. Results do not depend on the choice, which is for tests and benchmarks.
bool useKernels(std::string_view name);

// The codec of that name, or null.
const Codec* codecNamed(std::string_view name);

}  // namespace qs
