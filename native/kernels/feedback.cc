#include "feedback.h"

#include "levels.h"

namespace qs::QS_TARGET {
namespace {

// Vectors of rows that are worked on at a time: their sums for four columns stay in registers.
constexpr size_t kVectors = kSumVectors;
constexpr size_t kRows = kVectors * kLanes;
static_assert(kSlab % kRows == 0);

/// Sums of four columns over some of the columns before them.
QS_INLINE void addTile(float* sums, const float* errors, const float* tile, size_t count) {
  F32 held[4][kVectors];
  for (size_t k = 0; k < 4; ++k) {
    for (size_t v = 0; v < kVectors; ++v) held[k][v] = load(sums + k * kSlab + v * kLanes);
  }
  for (size_t j = 0; j < count; ++j) {
    F32 error[kVectors];
    for (size_t v = 0; v < kVectors; ++v) error[v] = load(errors + j * kSlab + v * kLanes);
    for (size_t k = 0; k < 4; ++k) {
      const F32 factor = splat(tile[j * 4 + k]);
      for (size_t v = 0; v < kVectors; ++v) held[k][v] = held[k][v] + error[v] * factor;
    }
  }
  for (size_t k = 0; k < 4; ++k) {
    for (size_t v = 0; v < kVectors; ++v) store(sums + k * kSlab + v * kLanes, held[k][v]);
  }
}

/// Goes through the columns of a run for kRows rows at a time: `quantize(target, at)` returns the value that a weight gets.
template <typename Quantize, typename Keep>
QS_INLINE void overColumns(const ColumnRun& run, const Quantize& quantize, const Keep& keep) {
  for (size_t row = 0; row < kSlab; row += kRows) {
    for (size_t i = 0; i < run.count; ++i) {
      const size_t column = run.first + i;
      F32 error[kVectors];
      for (size_t v = 0; v < kVectors; ++v) {
        const size_t lane = row + v * kLanes;
        const F32 weight = load(run.weights + i * kSlab + lane);
        const F32 target = weight + load(run.sums + column * kSlab + lane);
        const F32 value = quantize(target, i * kSlab + lane);
        error[v] = weight - value;
        keep(error[v], target - value, i * kSlab + lane);
      }
      const float* factors = run.within + column * run.width;
      for (size_t k = column + 1; k < run.width; ++k) {
        float* sums = run.sums + k * kSlab + row;
        for (size_t v = 0; v < kVectors; ++v) {
          store(sums + v * kLanes, load(sums + v * kLanes) + error[v] * splat(factors[k]));
        }
      }
    }
  }
}

}  // namespace

void addFeedback(float* sums, const float* errors, const float* tiles, size_t before, size_t width) {
  constexpr size_t kColumns = 256;  // errors of so many columns stay in the L1 cache for all tiles
  for (size_t done = 0; done < before; done += kColumns) {
    const size_t count = before - done < kColumns ? before - done : kColumns;
    for (size_t row = 0; row < kSlab; row += kRows) {
      for (size_t k = 0; k < width; k += 4) {
        addTile(sums + k * kSlab + row, errors + done * kSlab + row, tiles + k * before + done * 4, count);
      }
    }
  }
}

void predictColumns(const ColumnRun& run, float* targets) {
  overColumns(
      run,
      [&](F32 target, size_t at) {
        store(targets + at, target);
        return target;
      },
      [](F32, F32, size_t) {});
}

void quantizeColumns(const WeightGrid& grid, const ColumnRun& run, const RunParameters& parameters, const RunResults& results) {
  const Coder coder(grid);
  overColumns(
      run,
      [&](F32 target, size_t at) {
        const F32 scale = load(parameters.scales + at);
        const F32 zero = load(parameters.zeros + at);
        const I32 codes = coder.codes(target, scale, load(parameters.inverses + at), zero);
        storeBytes(results.codes + at, codes);
        return coder.values(codes, scale, zero);
      },
      [&](F32 error, F32 residual, size_t at) {
        store(results.errors + at, error);
        store(results.residuals + at, residual);
      });
}

void followColumns(const ColumnRun& run, const float* decoded, const RunResults& results) {
  overColumns(
      run, [&](F32, size_t at) { return load(decoded + at); },
      [&](F32 error, F32 residual, size_t at) {
        store(results.errors + at, error);
        store(results.residuals + at, residual);
      });
}

}  // namespace qs::QS_TARGET
