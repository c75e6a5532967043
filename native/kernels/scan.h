#pragma once
// Statistics of a matrix: extremes, moments, exact percentiles, histogram, max |w| per row, column and cell. One pass over
// its weights is enough where they have at most 10 bits of mantissa (F16, BF16, 8-bit floats, also stored as F32); others
// need a second one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qs {

struct ScanOptions {
  size_t rows = 0;
  size_t columns = 0;
  size_t cellRows = 1;
  size_t cellColumns = 1;
  size_t bins = 0;
  std::vector<double> percents;
};

// Maxima are kept per row, and per column, up to this number of them; the largest matrices of published models have fewer.
inline constexpr size_t kMaxLines = size_t{1} << 22;

// The upper bits of a float's key, by which values are counted: sign, exponent and 10 bits of mantissa.
inline constexpr int kLowBits = 13;
inline constexpr size_t kBuckets = size_t{1} << (32 - kLowBits);
inline constexpr size_t kLowValues = size_t{1} << kLowBits;

// What one piece of consecutive weights adds in the first pass.
struct FirstPart {
  uint64_t finite = 0, zeros = 0, nans = 0, infinities = 0;
  double sum = 0;
  float min = 0, max = 0;
  uint32_t lowBits = 0;  // of all values: 0 when the buckets tell them apart
  size_t firstRow = 0;
  std::vector<uint32_t> buckets = std::vector<uint32_t>(kBuckets);
  std::vector<float> rowAbsMax;  // of the rows from firstRow on
  std::vector<float> columnAbsMax, cellAbsMax;
};

// What one piece adds in the second pass: central moments, histogram, counts of the low bits in the wanted buckets.
struct SecondPart {
  double squares = 0, fourths = 0;
  std::vector<double> histogram;
  std::vector<std::vector<uint32_t>> low;
};

class Scan {
 public:
  // Throws std::invalid_argument for a matrix without weights or with more than 2^53, or a map of more than 2^24 cells.
  explicit Scan(ScanOptions options);

  const ScanOptions& options() const { return options_; }
  uint64_t weights() const { return weights_; }
  uint64_t seen() const { return seen_; }

  // Weights [firstWeight, firstWeight + n) in row-major order; different pieces may be scanned by different threads.
  FirstPart first(const float* x, uint64_t firstWeight, size_t n) const;
  SecondPart second(const float* x, size_t n) const;

  // Parts are merged in order, so that sums do not depend on the number of threads.
  void merge(const FirstPart& part);
  void merge(const SecondPart& part);
  void advance(size_t n) { seen_ += n; }
  // Ends the first pass. Returns whether a second one is needed.
  bool turn();

  double mean() const;
  double variance() const;
  double kurtosis() const;
  std::vector<double> percentiles() const;

  uint64_t finite = 0, zeros = 0, nans = 0, infinities = 0;
  float min = 0, max = 0;
  std::vector<double> histogram;
  // Empty for more than kMaxLines rows or columns.
  std::vector<float> rowAbsMax, columnAbsMax;
  std::vector<float> cellAbsMax;

 private:
  struct Wanted {
    uint64_t rank;    // 0-based among the finite values
    uint32_t bucket;  // upper bits of its key
    uint64_t before;  // values in lower buckets
    size_t slot;      // index into low_
  };
  void findPercentiles();
  void finishFromBuckets();

  ScanOptions options_;
  uint64_t weights_ = 0;
  uint64_t seen_ = 0;
  bool turned_ = false;
  uint32_t lowBits_ = 0;
  double sum_ = 0, squares_ = 0, fourths_ = 0;
  std::vector<uint64_t> buckets_;
  std::vector<int32_t> slotOfBucket_;
  std::vector<Wanted> wanted_;
  std::vector<std::vector<uint64_t>> low_;
};

}  // namespace qs
