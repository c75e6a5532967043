#include "scan_tile.h"

#include <bit>
#include <cfloat>

#include "scan_kernels.h"

namespace qs::QS_TARGET {
namespace {

constexpr size_t kVectors = kTileLanes / kLanes;     // of float32, that hold the lanes
constexpr size_t kHalves = kLanes / kDoubles;        // vectors of float64 for each of them
constexpr size_t kSums = kTileLanes / kDoubles;      // vectors of float64, that hold the lanes
static_assert(kHalves == 2, "widenLow and widenHigh give all lanes");

QS_INLINE float largestLane(const F32* vectors) {
  F32 largest = vectors[0];
  for (size_t v = 1; v < kVectors; ++v) largest = larger(largest, vectors[v]);
  return largestOf(largest);
}

QS_INLINE double sumOfLanes(const F64* sums) {
  double lanes[kTileLanes];
  for (size_t v = 0; v < kSums; ++v) store(lanes + v * kDoubles, sums[v]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

QS_INLINE Mask isFinite(F32 size) { return size <= splat(FLT_MAX); }

/// A few rows, whose sums stay in registers. Returns whether all of their weights are finite; others count as 0.
template <size_t R>
QS_INLINE bool linesOf(const float* x, size_t columns, const LineFigures& at) {
  F32 rowMax[R][kVectors];
  F64 rowSquares[R][kSums];
  for (size_t r = 0; r < R; ++r) {
    for (F32& most : rowMax[r]) most = zeroFloats();
    for (F64& sum : rowSquares[r]) sum = splat(0.0);
  }
  Mask bad = zeroFloats() < zeroFloats();  // none
  for (size_t column = 0; column < columns; column += kTileLanes) {
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t c = column + v * kLanes;
      F32 most = load(at.columnMax + c);
      F64 low = load(at.columnSquares + c);
      F64 high = load(at.columnSquares + c + kDoubles);
      for (size_t r = 0; r < R; ++r) {
        const F32 size = magnitude(load(x + r * kTileColumns + c));
        const Mask finite = isFinite(size);
        bad = bad | ~finite;
        const F32 weight = select(finite, size, zeroFloats());
        const F64 first = widenLow(weight);
        const F64 second = widenHigh(weight);
        const F64 firstSquare = first * first;
        const F64 secondSquare = second * second;
        most = larger(most, weight);
        low = low + firstSquare;
        high = high + secondSquare;
        rowMax[r][v] = larger(rowMax[r][v], weight);
        rowSquares[r][v * kHalves] = rowSquares[r][v * kHalves] + firstSquare;
        rowSquares[r][v * kHalves + 1] = rowSquares[r][v * kHalves + 1] + secondSquare;
      }
      store(at.columnMax + c, most);
      store(at.columnSquares + c, low);
      store(at.columnSquares + c + kDoubles, high);
    }
  }
  for (size_t r = 0; r < R; ++r) {
    const float largest = largestLane(rowMax[r]);
    if (largest > at.rowMax[r]) at.rowMax[r] = largest;
    at.rowSquares[r] += sumOfLanes(rowSquares[r]);
  }
  return !any(bad);
}

/// Σ of a function of the weights, lane by lane.
template <size_t N, typename Vectors, typename Single>
QS_INLINE void sumPowers(const float* x, size_t n, double (&totals)[N], const Vectors& vectors, const Single& single) {
  F64 sums[N][kSums];
  for (auto& lanes : sums) {
    for (F64& lane : lanes) lane = splat(0.0);
  }
  size_t i = 0;
  for (; i + kTileLanes <= n; i += kTileLanes) {
    for (size_t v = 0; v < kVectors; ++v) {
      const F32 weights = load(x + i + v * kLanes);
      vectors(widenLow(weights), v * kHalves, sums);
      vectors(widenHigh(weights), v * kHalves + 1, sums);
    }
  }
  for (size_t k = 0; k < N; ++k) totals[k] = sumOfLanes(sums[k]);
  for (; i < n; ++i) single(static_cast<double>(x[i]), totals);
}

QS_INLINE void addExtremes(const float* x, size_t n, StripFigures& strip) {
  F32 low = splat(FLT_MAX);
  F32 high = splat(-FLT_MAX);
  I32 bits = splat(0);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F32 weights = load(x + i);
    low = smaller(low, weights);
    high = larger(high, weights);
    bits = bits | asInts(weights);
    strip.zeros += static_cast<size_t>(std::popcount(laneBits(weights == zeroFloats())));
  }
  const Ends ends = endsOf(low, high);
  float smallest = ends.smallest;
  float largest = ends.largest;
  int32_t together[kLanes];
  store(together, bits);
  for (const int32_t lane : together) strip.bits |= static_cast<uint32_t>(lane);
  for (; i < n; ++i) {
    smallest = x[i] < smallest ? x[i] : smallest;
    largest = x[i] > largest ? x[i] : largest;
    strip.zeros += x[i] == 0.0f ? 1 : 0;
    strip.bits |= std::bit_cast<uint32_t>(x[i]);
  }
  strip.min = smallest + 0.0f;  // never −0
  strip.max = largest + 0.0f;
}

}  // namespace

bool scanLines(const ScanTile& tile, const LineFigures& at) {
  constexpr size_t kRows = 4;
  bool isFinite = true;
  size_t row = 0;
  const auto rest = [&] {
    return LineFigures{at.rowMax + row, at.rowSquares + row, at.columnMax, at.columnSquares};
  };
  for (; row + kRows <= tile.rows; row += kRows) {
    isFinite = linesOf<kRows>(tile.x + row * kTileColumns, tile.columns, rest()) && isFinite;
  }
  for (; row < tile.rows; ++row) isFinite = linesOf<1>(tile.x + row * kTileColumns, tile.columns, rest()) && isFinite;
  return isFinite;
}

StripFigures scanStrip(const float* x, size_t n) {
  StripFigures strip;
  double sum[1];
  sumPowers<1>(
      x, n, sum, [](F64 w, size_t lane, F64(&sums)[1][kSums]) { sums[0][lane] = sums[0][lane] + w; },
      [](double w, double(&totals)[1]) { totals[0] += w; });
  strip.mean = n == 0 ? 0 : sum[0] / static_cast<double>(n);
  const F64 mean = splat(strip.mean);
  double powers[3];
  sumPowers<3>(
      x, n, powers,
      [mean](F64 w, size_t lane, F64(&sums)[3][kSums]) {
        const F64 distance = w - mean;
        const F64 square = distance * distance;
        sums[0][lane] = sums[0][lane] + square;
        sums[1][lane] = sums[1][lane] + square * distance;
        sums[2][lane] = sums[2][lane] + square * square;
      },
      [&strip](double w, double(&totals)[3]) {
        const double distance = w - strip.mean;
        const double square = distance * distance;
        totals[0] += square;
        totals[1] += square * distance;
        totals[2] += square * square;
      });
  strip.squares = powers[0];
  strip.cubes = powers[1];
  strip.fourths = powers[2];
  addExtremes(x, n, strip);
  return strip;
}

float mergeMaxima(float* into, const float* from, size_t n) {
  F32 most = zeroFloats();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F32 other = load(from + i);
    store(into + i, larger(load(into + i), other));
    most = larger(most, other);
  }
  float largest = largestOf(most);
  for (; i < n; ++i) {
    into[i] = from[i] > into[i] ? from[i] : into[i];
    largest = from[i] > largest ? from[i] : largest;
  }
  return largest;
}

size_t countBeyond(const float* x, size_t n, float threshold) {
  const F32 limit = splat(threshold);
  size_t count = 0;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F32 size = magnitude(load(x + i));
    count += static_cast<size_t>(std::popcount(laneBits((size > limit) & isFinite(size))));
  }
  for (; i < n; ++i) {
    const float size = x[i] < 0 ? -x[i] : x[i];
    count += size > threshold && size <= FLT_MAX ? 1 : 0;
  }
  return count;
}

void binsOf(const float* x, size_t n, const BinScale& scale, int32_t* bins) {
  for (size_t i = 0; i < n; ++i) {
    const double position = (static_cast<double>(x[i]) - scale.min) * scale.perUnit;
    const double atLeast = position > 0.0 ? position : 0.0;
    bins[i] = static_cast<int32_t>(atLeast < scale.last ? atLeast : scale.last);
  }
}

}  // namespace qs::QS_TARGET
