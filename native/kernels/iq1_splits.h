#pragma once
// The search of the types IQ1_S and IQ1_M: the weights of a sub-block are sorted, and all ways to cut them into the three levels, shifted up or
// down, are judged by (Σ w·x·q)² / Σ w·q². The lanes are super-blocks.
#include <cfloat>

#include "fits.h"

namespace qs::QS_TARGET {

inline constexpr float kShift = 0.125f;
// What the three levels stand for, with the shift up and down.
inline constexpr float kUp[3] = {-1 + kShift, kShift, 1 + kShift};
inline constexpr float kDown[3] = {-1 - kShift, -kShift, 1 - kShift};

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

}  // namespace qs::QS_TARGET
