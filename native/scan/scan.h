#pragma once
// Statistics of a matrix: extremes, moments, exact percentiles, histogram, figures of its rows, columns and of the cells of a map. One
// pass is enough where values can be counted one by one: dtypes of at most 16 bits, and float32 that is BF16. Others need a second
// one for percentiles, histogram and counts beyond thresholds.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../rows.h"
#include "code_table.h"
#include "first_part.h"
#include "per_thread.h"
#include "second_part.h"

namespace qs {

struct ScanOptions {
  std::string dtype;
  size_t rows = 0;
  size_t columns = 0;
  MapCells cells;
  size_t bins = 0;
  std::optional<ValueRange> range;  // of the histogram; absent: the extremes
  std::vector<double> percents;
  std::vector<double> thresholds;  // multiples of the root mean square
};

/// Figures of rows and columns are kept up to this number of them; the largest matrices of published models have fewer.
inline constexpr size_t kMaxLines = size_t{1} << 22;

/// Figures over the finite weights. NaN: not defined.
struct ScanFigures {
  uint64_t finite = 0, zeros = 0, nans = 0, infinities = 0;
  double min, max, mean, variance, kurtosis, rms;
  std::vector<double> percentiles;
  HistogramCounts histogram;
  std::vector<uint64_t> beyond;  // |w| > threshold · rms

  ScanFigures();
};

class Scan {
 public:
  // Throws std::invalid_argument for an unknown dtype, a matrix without weights or with more than 2^53, or a map of more than 2^24
  // cells.
  explicit Scan(ScanOptions options);

  // The next weights in row-major order, whole blocks, as the file holds them. Both throw Cancelled.
  void first(std::span<const uint8_t> data, CancelFlag cancelled);
  void second(std::span<const uint8_t> data, CancelFlag cancelled);
  // Ends the first pass. Returns whether a second one is needed.
  bool turn();

  const ScanFigures& figures();
  // max |w| and root mean square of each row or column; empty for more than kMaxLines of them.
  std::vector<float> rowAbsMax, columnAbsMax;
  std::vector<float> rowRms() const { return rmsOf(rowLines_, options_.columns); }
  std::vector<float> columnRms() const { return rmsOf(columnLines_, options_.rows); }
  std::vector<float> cellAbsMax;

 private:
  struct Wanted {
    uint64_t rank;    // 0-based among the finite values
    uint32_t bucket;  // upper half of its key
    uint64_t before;  // values in lower buckets
    size_t slot;
  };
  struct CountedCode {
    uint16_t code;
    double value;
    uint64_t count;
  };
  std::vector<Rectangle> nextPieces(std::span<const uint8_t> data) const;
  ScanSlab slabOf(std::span<const uint8_t> data) const;
  void advance(std::span<const uint8_t> data);
  void merge(const FirstPart& part);
  std::vector<float> rmsOf(const Lines& lines, size_t weights) const;
  std::vector<CountedCode> takeCounts();
  void finishFromCounts(const std::vector<CountedCode>& values);
  void finishFromMoments();
  void planSecond(const std::vector<CountedCode>& halves);
  void finishSecond();
  void momentsOf(const std::vector<CountedCode>& values);
  HistogramRange histogramRange() const;
  uint64_t rankOf(double percent) const;

  ScanOptions options_;
  const Codec& codec_;
  uint64_t weights_ = 0;
  uint64_t seen_ = 0;
  size_t mapColumns_ = 0;
  bool turned_ = false;
  bool needsSecond_ = false;
  bool finished_ = false;
  uint32_t bits_ = 0;
  Moments moments_;
  Lines rowLines_, columnLines_;
  ScanFigures figures_;
  SecondWork work_;
  std::vector<Wanted> wanted_;
  PerThread<ValueCounts> counts_;
  PerThread<SecondCounts> seconds_;
};

}  // namespace qs
