#pragma once
// Statistics of a matrix in two passes over its rows: extremes, moments, exact percentiles, histogram, max |w| per row,
// column and cell.
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

// Counts of float keys by their upper 16 bits: the first digit of a radix selection.
inline constexpr size_t kBuckets = 65536;

// What one piece of rows adds in the first pass.
struct FirstPart {
  uint64_t finite = 0, zeros = 0, nans = 0, infinities = 0;
  double sum = 0;
  float min = 0, max = 0;
  std::vector<uint32_t> buckets = std::vector<uint32_t>(kBuckets);
  std::vector<float> columnAbsMax, cellAbsMax;
};

// What one piece of rows adds in the second pass: central moments, histogram, second radix digit of wanted buckets.
struct SecondPart {
  double squares = 0, fourths = 0;
  std::vector<double> histogram;
  std::vector<std::vector<uint32_t>> low;
};

class Scan {
 public:
  explicit Scan(ScanOptions options);

  const ScanOptions& options() const { return options_; }
  size_t rowsSeen() const { return rowsSeen_; }

  // Rows [firstRow, firstRow + rows) of the matrix; different rows may be scanned by different threads.
  FirstPart first(const float* x, size_t firstRow, size_t rows);
  SecondPart second(const float* x, size_t rows) const;

  // Merged in row order, so that sums do not depend on the number of threads.
  void merge(const FirstPart& part);
  void merge(const SecondPart& part);
  void advance(size_t rows) { rowsSeen_ += rows; }
  // Between the passes: fixes the mean and the buckets that hold the wanted percentiles.
  void turn();

  double mean() const;
  double variance() const;
  double kurtosis() const;
  std::vector<double> percentiles() const;

  uint64_t finite = 0, zeros = 0, nans = 0, infinities = 0;
  float min = 0, max = 0;
  std::vector<double> histogram;
  std::vector<float> rowAbsMax, columnAbsMax, cellAbsMax;

 private:
  struct Wanted {
    uint64_t rank;    // 0-based among the finite values
    uint32_t bucket;  // upper 16 bits of its key
    uint64_t before;  // values in lower buckets
    size_t slot;      // index into low_
  };

  ScanOptions options_;
  size_t rowsSeen_ = 0;
  bool turned_ = false;
  double sum_ = 0, squares_ = 0, fourths_ = 0;
  std::vector<uint64_t> buckets_;
  std::vector<int32_t> slotOfBucket_;
  std::vector<Wanted> wanted_;
  std::vector<std::vector<uint64_t>> low_;
};

}  // namespace qs
