#include "logits.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace qs::QS_TARGET {
namespace {

// Logits processed at a time: they and their terms stay in the L1 cache.
constexpr size_t kChunk = 1024;

QS_INLINE uint64_t bitsOfDouble(double value) { return std::bit_cast<uint64_t>(value); }
/// The number with these bits, or 0. An integer mask selects it, which compilers vectorize; they would not vectorize a
/// comparison of floats, since it could trap.
QS_INLINE double unless(bool zero, uint64_t bits) { return std::bit_cast<double>(bits & (uint64_t{zero} - 1)); }

// −708 and −∞ as bits: between them, e^x is not a normal number.
constexpr uint64_t kSmallest = 0xc086200000000000u;
constexpr uint64_t kMinusInfinity = 0xfff0000000000000u;

/// e^x for x ≤ 0, to a relative error of 1e-11: x = n ln 2 + r with |r| ≤ ln 2 / 2, the Taylor polynomial of degree 9 in r (its remainder
/// is below r^10 / 10! = 7e-12), and n added to the exponent. 0 where that would not be a normal number; NaN for NaN.
QS_INLINE double exponential(double x) {
  constexpr double kPerLn2 = 1.4426950408889634;
  constexpr double kLn2 = 0.6931471805599453;
  constexpr double kIntegers = 6755399441055744.0;  // 1.5 · 2^52: adding it leaves an integer in the low bits
  const double shifted = x * kPerLn2 + kIntegers;
  const double r = x - (shifted - kIntegers) * kLn2;
  double sum = 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  const uint64_t scaled = bitsOfDouble(sum) + (bitsOfDouble(shifted) << 52);
  return unless(bitsOfDouble(x) - kSmallest <= kMinusInfinity - kSmallest, scaled);
}

/// terms[i] = e^(x[i] − maximum).
void exponentials(const float* x, size_t n, double maximum, double* terms) {
  for (size_t i = 0; i < n; ++i) terms[i] = exponential(static_cast<double>(x[i]) - maximum);
}

/// terms[i] = terms[i] · (b[i] − l[i]); tokens to which the base gives no probability contribute nothing.
void weighDifferences(const float* b, const float* l, size_t n, double* terms) {
  for (size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(b[i]) - static_cast<double>(l[i]);
    terms[i] = unless(bitsOfDouble(terms[i]) == 0, bitsOfDouble(terms[i] * difference));
  }
}

/// Eight accumulators, added up in index order: the same for every instruction set.
double total(const double* terms, size_t n) {
  constexpr size_t kParts = 8;
  double parts[kParts] = {};
  size_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (size_t part = 0; part < kParts; ++part) parts[part] += terms[i + part];
  }
  for (size_t part = 0; i < n; ++i, ++part) parts[part] += terms[i];
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

/// The largest number, ignoring NaN; −∞ when there is none. Never −0.
float largestLogit(const float* x, size_t n) {
  F32 lanes = splat(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) lanes = larger(load(x + i), lanes);
  float found = largestOf(lanes);
  for (; i < n; ++i) found = x[i] > found ? x[i] : found;
  return found + 0.0f;
}

size_t firstEqual(const float* x, size_t n, float value) {
  size_t i = 0;
  while (i < n && x[i] != value) ++i;
  return i;
}

/// Raises the maximum to a chunk's largest logit. Returns the factor that rescales sums taken with the previous maximum.
double raiseMaximum(const float* x, size_t n, size_t column, double* sums) {
  const float largest = largestLogit(x, n);
  if (!(largest > sums[LogitSums::kMaximum])) return 1.0;
  const double factor = exponential(sums[LogitSums::kMaximum] - largest);
  sums[LogitSums::kMaximum] = largest;
  sums[LogitSums::kTop] = static_cast<double>(column + firstEqual(x, n, largest));
  return factor;
}

/// Adds a chunk to the four sums of one model; `terms` gets e^(x − maximum). Returns the factor of `raiseMaximum`.
double addChunk(const float* x, size_t n, size_t column, double* sums, double* terms) {
  const double factor = raiseMaximum(x, n, column, sums);
  const double maximum = sums[LogitSums::kMaximum];
  exponentials(x, n, maximum == -std::numeric_limits<double>::infinity() ? 0.0 : maximum, terms);
  sums[LogitSums::kSum] = sums[LogitSums::kSum] * factor + total(terms, n);
  return factor;
}

void clear(double* sums) {
  sums[LogitSums::kMaximum] = -std::numeric_limits<double>::infinity();
  sums[LogitSums::kSum] = 0;
  sums[LogitSums::kTarget] = std::numeric_limits<double>::quiet_NaN();
  sums[LogitSums::kTop] = -1;
}

/// Stores the target's logit if it is in this slice. If a model has had a NaN or +∞, all its sums become NaN.
void finishSlice(const float* x, const LogitSlice& slice, double* sums) {
  const auto first = static_cast<int64_t>(slice.firstColumn);
  if (slice.target >= first && slice.target < first + static_cast<int64_t>(slice.columns)) {
    sums[LogitSums::kTarget] = x[slice.target - first];
  }
  if (!std::isnan(sums[LogitSums::kSum])) return;
  sums[LogitSums::kMaximum] = sums[LogitSums::kSum];
  sums[LogitSums::kTop] = sums[LogitSums::kSum];
}

}  // namespace

void accumulateLogits(const LogitSlice& slice, double* sums) {
  double* const base = sums + LogitSums::kBase;
  double& difference = sums[LogitSums::kDifference];
  if (slice.firstColumn == 0) {
    clear(sums);
    clear(base);
    difference = 0;
  }
  double terms[kChunk];
  for (size_t done = 0; done < slice.columns; done += kChunk) {
    const size_t n = slice.columns - done < kChunk ? slice.columns - done : kChunk;
    const size_t column = slice.firstColumn + done;
    const float* l = slice.logits + done;
    addChunk(l, n, column, sums, terms);
    if (slice.base == nullptr) continue;
    const float* b = slice.base + done;
    const double factor = addChunk(b, n, column, base, terms);
    weighDifferences(b, l, n, terms);
    difference = (factor == 0.0 ? 0.0 : difference * factor) + total(terms, n);
  }
  finishSlice(slice.logits, slice, sums);
  if (slice.base != nullptr) return finishSlice(slice.base, slice, base);
  for (size_t i = LogitSums::kBase; i < LogitSums::kCount; ++i) sums[i] = std::numeric_limits<double>::quiet_NaN();
}

}  // namespace qs::QS_TARGET
