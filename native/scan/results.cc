// What follows from the counts and moments of a scan.
#include <bit>
#include <cmath>

#include "../kernels/kernels.h"
#include "scan.h"

namespace qs {
namespace {

constexpr uint32_t kLowerHalf = 0xffffu;

/// The largest float32 that is not above a limit: a float32 is above both or none.
float floatBelow(double limit) {
  const auto nearest = static_cast<float>(limit);
  return static_cast<double>(nearest) > limit ? std::nextafter(nearest, 0.0f) : nearest;
}

float floatOfKey(uint32_t key) { return std::bit_cast<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

}  // namespace

bool Scan::turn() {
  if (turned_) return needsSecond_;
  turned_ = true;
  figures_.finite = seen_ - figures_.nans - figures_.infinities;
  seen_ = 0;
  if (figures_.finite == 0) return false;
  const auto counts = takeCounts();
  if (isCoded(codec_) || (bits_ & kLowerHalf) == 0) {
    finishFromCounts(counts);
  } else {
    finishFromMoments();
    needsSecond_ = options_.bins > 0 || !options_.percents.empty() || !options_.thresholds.empty();
    if (needsSecond_) planSecond(counts);
  }
  return needsSecond_;
}

/// The codes of finite values that occur, in the order of these. Upper halves of float32 are codes of BF16, in the order of the values
/// that they begin.
std::vector<Scan::CountedCode> Scan::takeCounts() {
  const CodeTable& table = codeTableOf(isCoded(codec_) ? codec_ : *codecNamed("BF16"));
  auto all = counts_.takeAll();
  std::vector<CountedCode> occurring;
  for (const uint16_t code : table.ascending) {
    uint64_t count = 0;
    for (const auto& counts : all) count += counts->of(code);
    if (count > 0) occurring.push_back({code, table.values[code], count});
  }
  for (auto& counts : all) ValueCounts::giveBack(std::move(counts));
  return occurring;
}

uint64_t Scan::rankOf(double percent) const {
  const auto finite = static_cast<double>(figures_.finite);
  return static_cast<uint64_t>(std::clamp(std::ceil(percent / 100.0 * finite), 1.0, finite)) - 1;
}

void Scan::finishFromCounts(const std::vector<CountedCode>& values) {
  momentsOf(values);
  const HistogramRange histogram = histogramRange();
  const Bins scale(histogram.range.min, histogram.range.max, histogram.bins);
  for (const auto& [code, value, count] : values) {
    if (histogram.bins > 0) figures_.histogram.add(histogram, scale, static_cast<float>(value), count);
    for (size_t i = 0; i < options_.thresholds.size(); ++i) {
      if (std::fabs(value) > options_.thresholds[i] * figures_.rms) figures_.beyond[i] += count;
    }
  }
  for (size_t i = 0; i < options_.percents.size(); ++i) {
    uint64_t below = rankOf(options_.percents[i]);
    size_t at = 0;
    while (below >= values[at].count) below -= values[at++].count;
    figures_.percentiles[i] = values[at].value;
  }
}

void Scan::momentsOf(const std::vector<CountedCode>& values) {
  const auto finite = static_cast<double>(figures_.finite);
  double sum = 0;
  double squares = 0;
  figures_.zeros = 0;
  for (const auto& [code, value, count] : values) {
    sum += static_cast<double>(count) * value;
    squares += static_cast<double>(count) * (value * value);
    if (value == 0) figures_.zeros += count;
  }
  figures_.min = values.front().value + 0.0;  // never −0
  figures_.max = values.back().value + 0.0;
  figures_.mean = sum / finite;
  figures_.rms = std::sqrt(squares / finite);
  double second = 0;
  double fourth = 0;
  for (const auto& [code, value, count] : values) {
    const double square = (value - figures_.mean) * (value - figures_.mean);
    second += static_cast<double>(count) * square;
    fourth += static_cast<double>(count) * (square * square);
  }
  figures_.variance = second / finite;
  if (second > 0) figures_.kurtosis = fourth / finite / (figures_.variance * figures_.variance);
}

HistogramRange Scan::histogramRange() const {
  const ValueRange range = options_.range.value_or(ValueRange{figures_.min, figures_.max});
  return {range, options_.range.has_value(), options_.bins};
}

void Scan::finishFromMoments() {
  const auto finite = static_cast<double>(figures_.finite);
  figures_.mean = moments_.mean;
  figures_.variance = moments_.squares / finite;
  figures_.rms = std::sqrt(figures_.variance + moments_.mean * moments_.mean);
  if (moments_.squares > 0) figures_.kurtosis = moments_.fourths / finite / (figures_.variance * figures_.variance);
}

void Scan::planSecond(const std::vector<CountedCode>& halves) {
  work_.histogram = histogramRange();
  work_.slotOfUpperHalf.assign(kHalfValues, -1);
  for (const double threshold : options_.thresholds) work_.thresholds.push_back(floatBelow(threshold * figures_.rms));
  for (const double percent : options_.percents) {
    Wanted wanted{rankOf(percent), 0, 0, 0};
    size_t at = 0;
    while (wanted.before + halves[at].count <= wanted.rank) wanted.before += halves[at++].count;
    wanted.bucket = sortKey(std::bit_cast<float>(static_cast<uint32_t>(halves[at].code) << 16)) >> 16;
    int16_t& slot = work_.slotOfUpperHalf[halves[at].code];
    if (slot < 0) slot = static_cast<int16_t>(work_.slots++);
    wanted.slot = static_cast<size_t>(slot);
    wanted_.push_back(wanted);
  }
}

void Scan::finishSecond() {
  SecondCounts all(work_);
  for (const auto& counts : seconds_.takeAll()) all.add(*counts);
  figures_.histogram = all.histogram;
  figures_.beyond = all.beyond;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const auto& lower = all.lower[wanted_[i].slot];
    uint64_t before = wanted_[i].before;
    uint32_t digit = 0;
    while (digit < kLowerHalf && before + lower[digit] <= wanted_[i].rank) before += lower[digit++];
    figures_.percentiles[i] = floatOfKey(wanted_[i].bucket << 16 | digit);
  }
}

}  // namespace qs
