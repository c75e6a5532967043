#include "scan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "floats.h"
#include "measures.h"

namespace qs {
namespace {

// Unsigned keys that sort like the floats.
QS_INLINE uint32_t keyOf(uint32_t bits) { return bits & 0x80000000u ? ~bits : bits | 0x80000000u; }
float floatOfKey(uint32_t key) { return floatOf(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

constexpr uint32_t kLowMask = static_cast<uint32_t>(kLowValues - 1);

// Buckets of BF16 values are adjacent: those that differ in the other three bits are 65,536 apart.
QS_INLINE size_t slotOf(uint32_t bucket) { return (bucket >> 3) | static_cast<size_t>(bucket & 7u) << 16; }

// The one value of a bucket whose low bits are all 0.
float valueOf(uint32_t bucket) {
  const uint32_t key = bucket << kLowBits;
  return floatOfKey(key & 0x80000000u ? key : key | kLowMask);
}

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr uint64_t kMaxWeights = uint64_t{1} << 53;
constexpr size_t kMaxCells = size_t{1} << 24;

size_t cellsOf(size_t lines, size_t perCell) { return lines / perCell + (lines % perCell == 0 ? 0 : 1); }

void keepLarger(float& largest, float value) { largest = std::max(largest, value); }

}  // namespace

Scan::Scan(ScanOptions options) : options_(std::move(options)) {
  const size_t rows = options_.rows;
  const size_t columns = options_.columns;
  if (rows == 0 || columns == 0) throw std::invalid_argument("a matrix without weights cannot be scanned");
  if (rows > kMaxWeights / columns) throw std::invalid_argument("a matrix of more than 2^53 weights cannot be scanned");
  weights_ = static_cast<uint64_t>(rows) * columns;
  const size_t mapRows = cellsOf(rows, options_.cellRows);
  const size_t mapColumns = cellsOf(columns, options_.cellColumns);
  if (mapRows > kMaxCells / mapColumns) throw std::invalid_argument("the map has too many cells");
  min = std::numeric_limits<float>::infinity();
  max = -min;
  histogram.resize(options_.bins);
  rowAbsMax.resize(rows <= kMaxLines ? rows : 0);
  columnAbsMax.resize(columns <= kMaxLines ? columns : 0);
  cellAbsMax.resize(mapRows * mapColumns);
  buckets_.resize(kBuckets);
}

FirstPart Scan::first(const float* x, uint64_t firstWeight, size_t n) const {
  const size_t columns = options_.columns;
  FirstPart part;
  if (n == 0) return part;
  part.min = std::numeric_limits<float>::infinity();
  part.max = -part.min;
  part.firstRow = static_cast<size_t>(firstWeight / columns);
  part.rowAbsMax.resize(rowAbsMax.empty() ? 0 : static_cast<size_t>((firstWeight + n - 1) / columns) - part.firstRow + 1);
  part.columnAbsMax.resize(columnAbsMax.size());
  part.cellAbsMax.resize(cellAbsMax.size());
  const size_t mapColumns = cellsOf(columns, options_.cellColumns);
  for (size_t done = 0; done < n;) {
    const size_t row = static_cast<size_t>((firstWeight + done) / columns);
    const size_t firstColumn = static_cast<size_t>((firstWeight + done) % columns);
    const size_t run = std::min(columns - firstColumn, n - done);
    float* cells = part.cellAbsMax.data() + row / options_.cellRows * mapColumns;
    double rowSum = 0;
    float rowMax = 0;
    for (size_t i = 0; i < run; ++i) {
      const float value = x[done + i];
      if (!std::isfinite(value)) {
        ++(std::isnan(value) ? part.nans : part.infinities);
        continue;
      }
      const float magnitude = std::fabs(value);
      const uint32_t bits = bitsOf(value);
      const size_t column = firstColumn + i;
      ++part.finite;
      part.zeros += value == 0.0f ? 1 : 0;
      rowSum += value;
      part.min = std::min(part.min, value);
      part.max = std::max(part.max, value);
      keepLarger(rowMax, magnitude);
      if (!part.columnAbsMax.empty()) keepLarger(part.columnAbsMax[column], magnitude);
      keepLarger(cells[column / options_.cellColumns], magnitude);
      part.lowBits |= bits & kLowMask;
      ++part.buckets[slotOf(keyOf(bits) >> kLowBits)];
    }
    part.sum += rowSum;
    if (!part.rowAbsMax.empty()) keepLarger(part.rowAbsMax[row - part.firstRow], rowMax);
    done += run;
  }
  return part;
}

SecondPart Scan::second(const float* x, size_t n) const {
  SecondPart part;
  part.histogram.resize(options_.bins);
  part.low.assign(low_.size(), std::vector<uint32_t>(kLowValues));
  const double center = mean();
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    const double distance = x[i] - center;
    const double square = distance * distance;
    part.squares += square;
    part.fourths += square * square;
    const uint32_t key = keyOf(bitsOf(x[i]));
    const int32_t slot = slotOfBucket_[key >> kLowBits];
    if (slot >= 0) ++part.low[static_cast<size_t>(slot)][key & kLowMask];
  }
  addToHistogram(x, n, min, max, part.histogram);
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
  lowBits_ |= part.lowBits;
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += part.buckets[i];
  for (size_t i = 0; i < part.rowAbsMax.size(); ++i) keepLarger(rowAbsMax[part.firstRow + i], part.rowAbsMax[i]);
  for (size_t i = 0; i < columnAbsMax.size(); ++i) keepLarger(columnAbsMax[i], part.columnAbsMax[i]);
  for (size_t i = 0; i < cellAbsMax.size(); ++i) keepLarger(cellAbsMax[i], part.cellAbsMax[i]);
}

void Scan::merge(const SecondPart& part) {
  squares_ += part.squares;
  fourths_ += part.fourths;
  for (size_t i = 0; i < histogram.size(); ++i) histogram[i] += part.histogram[i];
  for (size_t slot = 0; slot < low_.size(); ++slot) {
    for (size_t i = 0; i < kLowValues; ++i) low_[slot][i] += part.low[slot][i];
  }
}

bool Scan::turn() {
  if (!turned_) {
    turned_ = true;
    seen_ = 0;
    if (finite == 0) min = max = kNotANumber;
    slotOfBucket_.assign(kBuckets, -1);
    findPercentiles();
    if (lowBits_ == 0) finishFromBuckets();
  }
  return lowBits_ != 0;
}

void Scan::findPercentiles() {
  if (finite == 0) return;
  for (const double percent : options_.percents) {
    const double nearest = std::ceil(percent / 100.0 * static_cast<double>(finite));
    const uint64_t rank = static_cast<uint64_t>(std::clamp(nearest, 1.0, static_cast<double>(finite))) - 1;
    uint64_t before = 0;
    uint32_t bucket = 0;
    while (before + buckets_[slotOf(bucket)] <= rank) before += buckets_[slotOf(bucket++)];
    if (slotOfBucket_[bucket] < 0) {
      slotOfBucket_[bucket] = static_cast<int32_t>(low_.size());
      low_.emplace_back(kLowValues);
    }
    wanted_.push_back({rank, bucket, before, static_cast<size_t>(slotOfBucket_[bucket])});
  }
}

void Scan::finishFromBuckets() {
  const double center = mean();
  const Bins bins(min, max, histogram.size());
  for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
    const uint64_t equal = buckets_[slotOf(bucket)];
    if (equal == 0) continue;
    const float value = valueOf(bucket);
    const double count = static_cast<double>(equal);
    const double square = (value - center) * (value - center);
    squares_ += count * square;
    fourths_ += count * square * square;
    if (!histogram.empty()) histogram[bins.of(value)] += count;
  }
}

std::vector<double> Scan::percentiles() const {
  std::vector<double> values;
  for (const Wanted& wanted : wanted_) {
    if (lowBits_ == 0) {
      values.push_back(valueOf(wanted.bucket));
      continue;
    }
    uint64_t before = wanted.before;
    uint32_t digit = 0;
    const auto& low = low_[wanted.slot];
    while (digit < kLowValues - 1 && before + low[digit] <= wanted.rank) before += low[digit++];
    values.push_back(floatOfKey((wanted.bucket << kLowBits) | digit));
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
