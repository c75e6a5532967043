#include "iq1.h"

#include <array>
#include <cfloat>
#include <cstring>

#include "blocks.h"
#include "lattice.h"
#include "signed_bytes.h"

namespace qs::QS_TARGET {
namespace {

constexpr float kShift = 0.125f;
// What the three levels stand for, with the shift up and down.
constexpr float kUp[3] = {-1 + kShift, kShift, 1 + kShift};
constexpr float kDown[3] = {-1 - kShift, -kShift, 1 - kShift};
constexpr float kNegligibleIQ1_S = 1e-12f;
constexpr float kNegligibleIQ1_M = 1e-7f;

/// The weights of a sub-block of each lane in ascending order, equal ones in their old order.
template <int N>
struct Sorted {
  F32 x[N];
  F32 w[N];
  I32 index[N];
};

/// Puts elements a < b of every lane in order.
template <int N>
QS_INLINE void exchange(Sorted<N>& s, int a, int b) {
  const Mask swap = (s.x[a] > s.x[b]) | ((s.x[a] == s.x[b]) & (s.index[a] > s.index[b]));
  const F32 x = s.x[a];
  const F32 w = s.w[a];
  const I32 index = s.index[a];
  s.x[a] = select(swap, s.x[b], x);
  s.x[b] = select(swap, x, s.x[b]);
  s.w[a] = select(swap, s.w[b], w);
  s.w[b] = select(swap, w, s.w[b]);
  s.index[a] = select(swap, s.index[b], index);
  s.index[b] = select(swap, index, s.index[b]);
}

/// Batcher's odd-even merge sort: the same exchanges for every lane.
template <int N>
QS_INLINE void sortLanes(Sorted<N>& s) {
  for (int size = 1; size < N; size *= 2) {
    for (int step = size; step > 0; step /= 2) {
      for (int first = step % size; first + step < N; first += 2 * step) {
        for (int i = first; i < first + step && i + step < N; ++i) {
          if (i / (2 * size) == (i + step) / (2 * size)) exchange(s, i, i + step);
        }
      }
    }
  }
}

/// The best split of the sorted weights into the levels 0, 1 and 2: below `low`, below `high`, the rest. `shift` tells
/// which table; −1 where there is no split.
struct Split {
  F32 scale;
  I32 low;
  I32 high;
  I32 shift;
};

/// Tracks the best of many splits by (Σ w·x·q)² / Σ w·q².
struct BestSplit {
  F32 score = splat(-FLT_MAX);
  Split split{zeroFloats(), splat(-1), splat(-1), splat(-1)};

  QS_INLINE void offer(F32 sumQx, F32 sumQ2, int low, int high, int shift) {
    const Mask better = (sumQ2 > zeroFloats()) & (sumQx * sumQx > score * sumQ2);
    if (!any(better)) return;
    split.scale = select(better, sumQx / sumQ2, split.scale);
    score = select(better, split.scale * sumQx, score);
    split.low = select(better, splat(low), split.low);
    split.high = select(better, splat(high), split.high);
    split.shift = select(better, splat(shift), split.shift);
  }
};

/// IQ1_S: all pairs of boundaries with either shift (0 up, 1 down), from sums over the sorted weights.
QS_INLINE Split bestSplitIQ1_S(const Sorted<32>& s) {
  constexpr int N = 32;
  F32 sumX[N + 1];
  F32 sumW[N + 1];
  sumX[0] = zeroFloats();
  sumW[0] = zeroFloats();
  for (int i = 0; i < N; ++i) {
    sumX[i + 1] = sumX[i] + s.w[i] * s.x[i];
    sumW[i + 1] = sumW[i] + s.w[i];
  }
  BestSplit best;
  for (int low = 0; low <= N; ++low) {
    for (int high = low; high <= N; ++high) {
      int shift = 0;
      for (const float* table : {kUp, kDown}) {
        const auto times = [&](F32 sum, int level) { return sum * splat(table[level]); };
        const F32 middleX = sumX[high] - sumX[low];
        const F32 middleW = sumW[high] - sumW[low];
        const F32 restX = sumX[N] - sumX[high];
        const F32 restW = sumW[N] - sumW[high];
        const F32 sumQx = times(sumX[low], 0) + times(middleX, 1) + times(restX, 2);
        const F32 sumQ2 = times(times(sumW[low], 0), 0) + times(times(middleW, 1), 1) + times(times(restW, 2), 2);
        best.offer(sumQx, sumQ2, low, high, shift++);
      }
    }
  }
  return best.split;
}

/// IQ1_M: the two halves of a sub-block may shift differently (bit 1 of the shift: the first half down, bit 0: the
/// second). Because neighbouring levels are 1 apart, Σ w·x·q = total · highest level − sums below the boundaries.
QS_INLINE Split bestSplitIQ1_M(const Sorted<16>& s) {
  constexpr int N = 16;
  F32 sumX[2][N + 1];
  F32 sumW[2][N + 1];
  for (int half = 0; half < 2; ++half) {
    sumX[half][0] = zeroFloats();
    sumW[half][0] = zeroFloats();
  }
  for (int i = 0; i < N; ++i) {
    const F32 wx = s.w[i] * s.x[i];
    const Mask second = s.index[i] > splat(N / 2 - 1);
    sumX[0][i + 1] = select(second, sumX[0][i], sumX[0][i] + wx);
    sumX[1][i + 1] = select(second, sumX[1][i] + wx, sumX[1][i]);
    sumW[0][i + 1] = select(second, sumW[0][i], sumW[0][i] + s.w[i]);
    sumW[1][i + 1] = select(second, sumW[1][i] + s.w[i], sumW[1][i]);
  }
  const auto squareStep = [](const float* table, int level) {
    return splat(table[level] * table[level] - table[level + 1] * table[level + 1]);
  };
  BestSplit best;
  for (int low = 0; low <= N; ++low) {
    for (int high = low; high <= N; ++high) {
      F32 qx[2][2];  // [half][shift]
      F32 q2[2][2];
      for (int half = 0; half < 2; ++half) {
        const F32 below = sumX[half][low] + sumX[half][high];
        int shift = 0;
        for (const float* table : {kUp, kDown}) {
          const F32 top = splat(table[2]);
          qx[half][shift] = sumX[half][N] * top - below;
          q2[half][shift] =
              sumW[half][N] * top * top + sumW[half][low] * squareStep(table, 0) + sumW[half][high] * squareStep(table, 1);
          ++shift;
        }
      }
      for (int shift = 0; shift < 4; ++shift) {
        best.offer(qx[0][shift / 2] + qx[1][shift % 2], q2[0][shift / 2] + q2[1][shift % 2], low, high, shift);
      }
    }
  }
  return best.split;
}

/// One sub-block of one lane after the search.
template <int N>
struct LaneSplit {
  float scale;
  int shift;  // −1: nothing to store
  uint8_t levels[N];
};

/// Loads sub-block j of every lane, weighs, sorts and splits it.
template <int N>
QS_INLINE void splitLanes(const Lanes& lanes, int j, F32 sigma2, float negligible, LaneSplit<N>* out) {
  Runs<N> x;
  Runs<N> w;
  loadGroups(lanes, static_cast<size_t>(j) * N, x);
  if (lanes.importance[0] != nullptr) {
    loadRuns(lanes.importance, static_cast<size_t>(j) * N, w);
    for (int i = 0; i < N; ++i) w.at[i] = importanceWeight(w.at[i], sigma2, x.at[i]);
  } else {
    for (int i = 0; i < N; ++i) w.at[i] = x.at[i] * x.at[i];
  }
  Sorted<N> sorted;
  F32 largest = magnitude(x.at[0]);
  for (int i = 0; i < N; ++i) {
    largest = larger(magnitude(x.at[i]), largest);
    sorted.x[i] = x.at[i];
    sorted.w[i] = w.at[i];
    sorted.index[i] = splat(i);
  }
  sortLanes(sorted);
  Split split;
  if constexpr (N == 32) {
    split = bestSplitIQ1_S(sorted);
  } else {
    split = bestSplitIQ1_M(sorted);
  }
  float scale[kLanes];
  int32_t low[kLanes];
  int32_t high[kLanes];
  int32_t shift[kLanes];
  uint8_t index[N][kLanes];
  store(scale, split.scale);
  store(low, split.low);
  store(high, split.high);
  store(shift, select(largest < splat(negligible), splat(-1), split.shift));
  for (int i = 0; i < N; ++i) storeBytes(index[i], sorted.index[i]);
  for (int l = 0; l < kLanes; ++l) {
    const bool turned = scale[l] < 0;
    out[l].scale = turned ? -scale[l] : scale[l];
    out[l].shift = turned && shift[l] >= 0 ? (N == 32 ? 1 : 3) - shift[l] : shift[l];
    for (int i = 0; i < N; ++i) {
      const int level = i < low[l] ? 0 : i < high[l] ? 1 : 2;
      out[l].levels[index[i][l]] = static_cast<uint8_t>(turned ? 2 - level : level);
    }
  }
}

/// The point that eight levels are stored as: themselves if they are on the grid, else the neighbour of least
/// Σ w·(scale·q − x)². `moved` is set when it is a neighbour.
QS_INLINE uint16_t pointOf(const Grid& grid, const uint8_t* levels, const float* x, const float* w, float scale,
                           const float* table, bool& moved) {
  uint32_t code = 0;
  uint32_t key = 0;
  for (int i = 8; i-- > 0;) {
    code = code << 2 | levels[i];
    key = key * 3 + levels[i];
  }
  const int32_t entry = grid.map()[key];
  if (entry >= 0) return static_cast<uint16_t>(code);
  moved = true;
  float errors[8][3];
  for (int i = 0; i < 8; ++i) {
    for (int level = 0; level < 3; ++level) {
      const float difference = scale * table[level] - x[i];
      errors[i][level] = w[i] * difference * difference;
    }
  }
  return nearestNeighbour<8>(grid, entry, errors);
}

/// Importance weights of a sub-block, or x².
template <int N>
QS_INLINE void weigh(const float* x, const float* importance, float sigma2, float* w) {
  if (importance != nullptr) return weighByImportance<N>(x, importance, sigma2, w);
  for (int i = 0; i < N; ++i) w[i] = x[i] * x[i];
}

void finishIQ1_S(const Grid& grid, const float* x, const float* importance, const LaneSplit<32> (*splits)[kLanes],
                 size_t lane, BlockIQ1_S& block) {
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  std::memset(&block, 0, sizeof block);
  float scales[8] = {};
  bool down[8] = {};
  float largest = 0;
  for (int j = 0; j < 8; ++j, x += 32) {
    const LaneSplit<32>& split = splits[j][lane];
    if (split.shift < 0) continue;
    float w[32];
    weigh<32>(x, importance + 32 * j, sigma2, w);
    const float* table = split.shift == 0 ? kUp : kDown;
    float scale = split.scale;
    bool moved = false;
    uint16_t codes[4];
    for (int k = 0; k < 4; ++k) {
      codes[k] = pointOf(grid, split.levels + 8 * k, x + 8 * k, w + 8 * k, scale, table, moved);
    }
    if (moved) {
      float sumQx = 0;
      float sumQ2 = 0;
      for (int i = 0; i < 32; ++i) {
        const float q = table[levelOf<8>(codes[i / 8], i % 8)];
        sumQx += w[i] * q * x[i];
        sumQ2 += w[i] * q * q;
      }
      if (sumQx > 0 && sumQ2 > 0) scale = sumQx / sumQ2;
    }
    uint32_t high = 0;
    for (int k = 0; k < 4; ++k) {
      const uint32_t index = indexOf<8>(grid, codes[k]);
      block.qs[4 * j + k] = static_cast<uint8_t>(index);
      high |= (index >> 8) << (3 * k);
    }
    block.qh[j] = static_cast<uint16_t>(high);
    scales[j] = scale;
    down[j] = split.shift != 0;
    largest = largest > scale ? largest : scale;
  }
  if (largest == 0.0f) return;
  const float d = largest / 15;
  block.d = halfFromFloat(d * 1.125f);
  for (int j = 0; j < 8; ++j) {
    const int code = oddScale(scales[j], 1 / d, 7) | (down[j] ? 8 : 0);
    block.qh[j] = static_cast<uint16_t>(block.qh[j] | (code << 12));
  }
}

/// The table of half k of a sub-block of IQ1_M.
QS_INLINE const float* tableOf(int shift, int k) { return ((shift >> (1 - k)) & 1) == 0 ? kUp : kDown; }

void finishIQ1_M(const Grid& grid, const float* x, const float* importance, const LaneSplit<16> (*splits)[kLanes],
                 size_t lane, BlockIQ1_M& block) {
  const float sigma2 = 2 * sumOfSquares(x) / kSuperBlock;
  std::memset(&block, 0, sizeof block);
  float scales[16] = {};
  int shifts[16] = {};
  uint16_t codes[16][2];
  float w[kSuperBlock];
  float largest = 0;
  for (int j = 0; j < 16; ++j) {
    const float* values = x + 16 * j;
    float* weights = w + 16 * j;
    weigh<16>(values, importance == nullptr ? nullptr : importance + 16 * j, sigma2, weights);
    codes[j][0] = codes[j][1] = grid.points()[0];
    const LaneSplit<16>& split = splits[j][lane];
    if (split.shift < 0) continue;
    float scale = split.scale;
    bool moved = false;
    for (int k = 0; k < 2; ++k) {
      const float* table = tableOf(split.shift, k);
      codes[j][k] = pointOf(grid, split.levels + 8 * k, values + 8 * k, weights + 8 * k, scale, table, moved);
    }
    if (moved) {
      float sumQx = 0;
      float sumQ2 = 0;
      for (int i = 0; i < 16; ++i) {
        const float q = tableOf(split.shift, i / 8)[levelOf<8>(codes[j][i / 8], i % 8)];
        sumQx += weights[i] * q * values[i];
        sumQ2 += weights[i] * q * q;
      }
      if (sumQx > 0 && sumQ2 > 0) scale = sumQx / sumQ2;
    }
    uint32_t high = 0;
    for (int k = 0; k < 2; ++k) {
      const uint32_t index = indexOf<8>(grid, codes[j][k]);
      block.qs[2 * j + k] = static_cast<uint8_t>(index);
      high |= (index >> 8) << (4 * k);
    }
    block.qh[j] = static_cast<uint8_t>(high);
    scales[j] = scale;
    shifts[j] = split.shift;
    largest = largest > scale ? largest : scale;
  }
  if (largest == 0.0f) return;
  // The scale of the super-block, fitted again by least squares to everything that is stored.
  float d = largest / 15;
  const float inverse = 1 / d;
  float sumQx = 0;
  float sumQ2 = 0;
  uint32_t words[4] = {};
  for (int j = 0; j < 16; ++j) {
    const int code = oddScale(scales[j], inverse, 7);
    words[j / 4] |= static_cast<uint32_t>(code) << (3 * (j % 4));
    const int signs = ((shifts[j] & 2) != 0 ? 0x08 : 0) | ((shifts[j] & 1) != 0 ? 0x80 : 0);
    block.qh[j] = static_cast<uint8_t>(block.qh[j] | signs);
    for (int i = 0; i < 16; ++i) {
      const float q = tableOf(shifts[j], i / 8)[levelOf<8>(codes[j][i / 8], i % 8)] * static_cast<float>(2 * code + 1);
      sumQx += w[16 * j + i] * q * x[16 * j + i];
      sumQ2 += w[16 * j + i] * q * q;
    }
  }
  if (sumQ2 > 0) d = sumQx / sumQ2;
  const uint32_t stored = halfFromFloat(d * 1.1125f);
  for (int i = 0; i < 4; ++i) {
    words[i] |= ((stored >> (4 * i)) & 15) << 12;
    const uint16_t word = static_cast<uint16_t>(words[i]);
    std::memcpy(block.scales + 2 * i, &word, sizeof word);
  }
}

/// σ² = 2·Σx²/256 of each lane's super-block.
QS_INLINE F32 sigma2Of(const Lanes& lanes) {
  float sigma2[kLanes];
  for (int l = 0; l < kLanes; ++l) sigma2[l] = 2 * sumOfSquares(lanes.x[l]) / kSuperBlock;
  return load(sigma2);
}

/// The eight values of every point of the grid, −1, 0 or 1, as bytes.
std::array<uint64_t, 2048> bytesOfPoints(const uint16_t* points) {
  std::array<uint64_t, 2048> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int k = 0; k < 8; ++k) {
      const int value = static_cast<int>(levelOf<8>(points[i], k)) - 1;
      bytes[i] |= static_cast<uint64_t>(static_cast<uint8_t>(value)) << (8 * k);
    }
  }
  return bytes;
}

const std::array<uint64_t, 2048>& decodedPoints() {
  static const auto points = bytesOfPoints(gridIQ1().points());
  return points;
}

/// y = scale · (q + shift) for eight weights at a time.
struct Eighth {
  float scale;
  float shift;
};

QS_INLINE void decodeEighths(const int8_t* q, const Eighth* eighths, float* y) {
  if constexpr (kLanes <= 8) {
    for (int k = 0; k < 32; ++k) {
      for (int i = 8 * k; i < 8 * k + 8; i += kLanes) {
        store(y + i, splat(eighths[k].scale) * (toFloats(loadSignedBytes(q + i)) + splat(eighths[k].shift)));
      }
    }
  } else {
    // Two eighths to a vector.
    int32_t second[kLanes];
    for (int l = 0; l < kLanes; ++l) second[l] = l / 8;
    const Mask isSecond = load(second) > splat(0);
    for (int k = 0; k < 32; k += 2) {
      const F32 scale = select(isSecond, splat(eighths[k + 1].scale), splat(eighths[k].scale));
      const F32 shift = select(isSecond, splat(eighths[k + 1].shift), splat(eighths[k].shift));
      store(y + 8 * k, scale * (toFloats(loadSignedBytes(q + 8 * k)) + shift));
    }
  }
}

}  // namespace

void encodeIQ1_S(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ1_S*>(out);
  const Grid& grid = gridIQ1();
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    const F32 sigma2 = sigma2Of(lanes);
    LaneSplit<32> splits[8][kLanes];
    for (int j = 0; j < 8; ++j) splitLanes<32>(lanes, j, sigma2, kNegligibleIQ1_S, splits[j]);
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishIQ1_S(grid, lanes.x[lane], lanes.importance[lane], splits, lane, target[first + lane]);
    }
  }
}

void encodeIQ1_M(const float* x, void* out, Rows rows) {
  auto* target = static_cast<BlockIQ1_M*>(out);
  const Grid& grid = gridIQ1();
  const size_t blocks = rows.count * rows.columns / kSuperBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const Lanes lanes = lanesFrom(x, first, blocks, kSuperBlock, rows.importance, rows.columns);
    const F32 sigma2 = sigma2Of(lanes);
    LaneSplit<16> splits[16][kLanes];
    for (int j = 0; j < 16; ++j) splitLanes<16>(lanes, j, sigma2, kNegligibleIQ1_M, splits[j]);
    for (size_t lane = 0; lane < kLanes && first + lane < blocks; ++lane) {
      finishIQ1_M(grid, lanes.x[lane], lanes.importance[lane], splits, lane, target[first + lane]);
    }
  }
}

void decodeIQ1_S(const void* in, float* y, size_t n) {
  const auto& points = decodedPoints();
  const auto* block = static_cast<const BlockIQ1_S*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block, y += kSuperBlock) {
    const float d = floatFromHalf(block->d);
    int8_t q[kSuperBlock];
    Eighth eighths[32];
    for (int k = 0; k < 32; ++k) {
      const int word = block->qh[k / 4];
      const size_t index = static_cast<size_t>(block->qs[k] | (((word >> (3 * (k % 4))) & 7) << 8));
      std::memcpy(q + 8 * k, &points[index], 8);
      eighths[k] = {d * static_cast<float>(2 * ((word >> 12) & 7) + 1), (word & 0x8000) != 0 ? -kShift : kShift};
    }
    decodeEighths(q, eighths, y);
  }
}

void decodeIQ1_M(const void* in, float* y, size_t n) {
  const auto& points = decodedPoints();
  const auto* block = static_cast<const BlockIQ1_M*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block, y += kSuperBlock) {
    uint16_t words[4];
    std::memcpy(words, block->scales, sizeof words);
    uint32_t stored = 0;
    for (int i = 0; i < 4; ++i) stored |= static_cast<uint32_t>(words[i] >> 12) << (4 * i);
    const float d = floatFromHalf(static_cast<uint16_t>(stored));
    float scales[8];
    for (int i = 0; i < 8; ++i) scales[i] = d * static_cast<float>(2 * i + 1);
    int8_t q[kSuperBlock];
    Eighth eighths[32];
    for (int j = 0; j < 16; ++j) {
      const int high = block->qh[j];
      const float scale = scales[(words[j / 4] >> (3 * (j % 4))) & 7];
      std::memcpy(q + 16 * j, &points[static_cast<size_t>(block->qs[2 * j] | ((high & 0x07) << 8))], 8);
      std::memcpy(q + 16 * j + 8, &points[static_cast<size_t>(block->qs[2 * j + 1] | ((high & 0x70) << 4))], 8);
      eighths[2 * j] = {scale, (high & 0x08) != 0 ? -kShift : kShift};
      eighths[2 * j + 1] = {scale, (high & 0x80) != 0 ? -kShift : kShift};
    }
    decodeEighths(q, eighths, y);
  }
}

}  // namespace qs::QS_TARGET
