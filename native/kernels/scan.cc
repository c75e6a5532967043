#include "scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "floats.h"
#include "measures.h"

namespace qs {
namespace {

// Unsigned keys in the order of the floats.
QS_INLINE uint32_t keyOf(float value) {
  const uint32_t bits = bitsOf(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
float floatOfKey(uint32_t key) { return floatOf(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

}  // namespace

Scan::Scan(ScanOptions options) : options_(std::move(options)) {
  min = std::numeric_limits<float>::infinity();
  max = -min;
  const size_t mapRows = (options_.rows + options_.cellRows - 1) / options_.cellRows;
  const size_t mapColumns = (options_.columns + options_.cellColumns - 1) / options_.cellColumns;
  histogram.resize(options_.bins);
  rowAbsMax.resize(options_.rows);
  columnAbsMax.resize(options_.columns);
  cellAbsMax.resize(mapRows * mapColumns);
  buckets_.resize(kBuckets);
}

FirstPart Scan::first(const float* x, size_t firstRow, size_t rows) {
  const size_t columns = options_.columns;
  FirstPart part;
  part.min = std::numeric_limits<float>::infinity();
  part.max = -part.min;
  part.columnAbsMax.resize(columns);
  part.cellAbsMax.resize(cellAbsMax.size());
  const size_t mapColumns = (columns + options_.cellColumns - 1) / options_.cellColumns;
  for (size_t row = 0; row < rows; ++row, x += columns) {
    double rowSum = 0;
    float rowMax = 0;
    float* cells = part.cellAbsMax.data() + (firstRow + row) / options_.cellRows * mapColumns;
    for (size_t column = 0; column < columns; ++column) {
      const float value = x[column];
      if (!std::isfinite(value)) {
        ++(std::isnan(value) ? part.nans : part.infinities);
        continue;
      }
      const float magnitude = std::fabs(value);
      ++part.finite;
      part.zeros += value == 0.0f ? 1 : 0;
      rowSum += value;
      part.min = std::min(part.min, value);
      part.max = std::max(part.max, value);
      rowMax = std::max(rowMax, magnitude);
      part.columnAbsMax[column] = std::max(part.columnAbsMax[column], magnitude);
      float& cell = cells[column / options_.cellColumns];
      cell = std::max(cell, magnitude);
      ++part.buckets[keyOf(value) >> 16];
    }
    part.sum += rowSum;
    rowAbsMax[firstRow + row] = rowMax;
  }
  return part;
}

SecondPart Scan::second(const float* x, size_t rows) const {
  SecondPart part;
  part.histogram.resize(options_.bins);
  part.low.assign(low_.size(), std::vector<uint32_t>(kBuckets));
  const double center = mean();
  const size_t n = rows * options_.columns;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    const double distance = x[i] - center;
    const double square = distance * distance;
    part.squares += square;
    part.fourths += square * square;
    const uint32_t key = keyOf(x[i]);
    const int32_t slot = slotOfBucket_[key >> 16];
    if (slot >= 0) ++part.low[static_cast<size_t>(slot)][key & 0xffffu];
  }
  if (options_.bins > 0) addToHistogram(x, n, min, max, options_.bins, part.histogram.data());
  return part;
}

void Scan::merge(const FirstPart& part) {
  finite += part.finite;
  zeros += part.zeros;
  nans += part.nans;
  infinities += part.infinities;
  sum_ += part.sum;
  min = std::min(min, part.min);
  max = std::max(max, part.max);
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += part.buckets[i];
  for (size_t i = 0; i < columnAbsMax.size(); ++i) columnAbsMax[i] = std::max(columnAbsMax[i], part.columnAbsMax[i]);
  for (size_t i = 0; i < cellAbsMax.size(); ++i) cellAbsMax[i] = std::max(cellAbsMax[i], part.cellAbsMax[i]);
}

void Scan::merge(const SecondPart& part) {
  squares_ += part.squares;
  fourths_ += part.fourths;
  for (size_t i = 0; i < histogram.size(); ++i) histogram[i] += part.histogram[i];
  for (size_t slot = 0; slot < low_.size(); ++slot) {
    for (size_t i = 0; i < kBuckets; ++i) low_[slot][i] += part.low[slot][i];
  }
}

void Scan::turn() {
  if (turned_) return;
  turned_ = true;
  rowsSeen_ = 0;
  if (finite == 0) min = max = kNotANumber;
  slotOfBucket_.assign(kBuckets, -1);
  for (const double percent : options_.percents) {
    if (finite == 0) break;
    const double nearest = std::ceil(percent / 100.0 * static_cast<double>(finite));
    const uint64_t rank = static_cast<uint64_t>(std::clamp(nearest, 1.0, static_cast<double>(finite))) - 1;
    uint64_t before = 0;
    uint32_t bucket = 0;
    while (before + buckets_[bucket] <= rank) before += buckets_[bucket++];
    if (slotOfBucket_[bucket] < 0) {
      slotOfBucket_[bucket] = static_cast<int32_t>(low_.size());
      low_.emplace_back(kBuckets);
    }
    wanted_.push_back({rank, bucket, before, static_cast<size_t>(slotOfBucket_[bucket])});
  }
}

std::vector<double> Scan::percentiles() const {
  std::vector<double> values;
  for (const Wanted& wanted : wanted_) {
    uint64_t before = wanted.before;
    uint32_t digit = 0;
    const auto& low = low_[wanted.slot];
    while (digit < kBuckets - 1 && before + low[digit] <= wanted.rank) before += low[digit++];
    values.push_back(floatOfKey((wanted.bucket << 16) | digit));
  }
  values.resize(options_.percents.size(), kNotANumber);
  return values;
}

double Scan::mean() const { return finite == 0 ? kNotANumber : sum_ / static_cast<double>(finite); }
double Scan::variance() const { return finite == 0 ? kNotANumber : squares_ / static_cast<double>(finite); }

double Scan::kurtosis() const {
  const double spread = variance();
  return spread > 0 ? fourths_ / static_cast<double>(finite) / (spread * spread) : kNotANumber;
}

}  // namespace qs
