#pragma once
// The searches that the encoders share. Every lane works on its own group of N weights; sums over the weights of a group
// run in index order in float32, which is what makes the bytes those of llama.cpp.
#include "blocks.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

/// Inverse scales that an affine search tries: (first + step·k + largest) / (max − min), k = 0 … count.
struct Candidates {
  float first;
  float step;
  int count;
};

/// x' = scale · q − minimum. The codes are nearestCode(inverse · (x − base)), limited to [0, largest].
struct AffineFit {
  F32 scale;
  F32 minimum;
  F32 inverse;
  F32 base;
};

enum class Distance { Squared, Absolute };

template <Distance kDistance>
QS_INLINE F32 distanceOf(F32 difference) {
  if constexpr (kDistance == Distance::Squared) return difference * difference;
  return magnitude(difference);
}

/// Minimises Σ w·|scale·q + min − x|^p over codes q in [0, kLargest] with min ≤ 0, p = 2 or 1. The codes come from
/// rounding with a few inverse scales around kLargest/(max − min); for each the best scale and minimum follow by least
/// squares, and the candidate of smallest error wins. Later candidates round from the best minimum so far.
template <int N, int kLargest, Distance kDistance>
QS_INLINE AffineFit fitAffine(const F32* x, const F32* w, Candidates candidates) {
  F32 lowest = x[0];
  F32 highest = x[0];
  F32 sumW = w[0];
  F32 sumWx = w[0] * x[0];
  for (int i = 1; i < N; ++i) {
    lowest = smaller(x[i], lowest);
    highest = larger(x[i], highest);
    sumW = sumW + w[i];
    sumWx = sumWx + w[i] * x[i];
  }
  lowest = select(lowest > zeroFloats(), zeroFloats(), lowest);
  const Mask flat = highest == lowest;

  F32 codes[N];
  F32 min = lowest;
  F32 inverse = splat(static_cast<float>(kLargest)) / (highest - lowest);
  F32 scale = splat(1.0f) / inverse;
  F32 bestInverse = inverse;
  F32 bestBase = lowest;
  F32 bestError = zeroFloats();
  for (int i = 0; i < N; ++i) {
    const F32 code = nearestCode(inverse * (x[i] - lowest), 0, kLargest);
    bestError = bestError + w[i] * distanceOf<kDistance>(scale * code + lowest - x[i]);
  }
  for (int candidate = 0; candidate <= candidates.count; ++candidate) {
    const float steps = candidates.first + candidates.step * static_cast<float>(candidate) + static_cast<float>(kLargest);
    const F32 base = min;
    inverse = splat(steps) / (highest - base);
    F32 sumQ = zeroFloats();
    F32 sumQ2 = zeroFloats();
    F32 sumQx = zeroFloats();
    for (int i = 0; i < N; ++i) {
      const F32 code = nearestCode(inverse * (x[i] - base), 0, kLargest);
      codes[i] = code;
      const F32 weighted = w[i] * code;
      sumQ = sumQ + weighted;
      sumQ2 = sumQ2 + weighted * code;
      sumQx = sumQx + weighted * x[i];
    }
    const F32 determinant = sumW * sumQ2 - sumQ * sumQ;
    F32 trialScale = (sumW * sumQx - sumWx * sumQ) / determinant;
    F32 trialMin = (sumQ2 * sumWx - sumQ * sumQx) / determinant;
    const Mask positive = trialMin > zeroFloats();
    trialScale = select(positive, sumQx / sumQ2, trialScale);
    trialMin = select(positive, zeroFloats(), trialMin);
    F32 error = zeroFloats();
    for (int i = 0; i < N; ++i) {
      error = error + w[i] * distanceOf<kDistance>(trialScale * codes[i] + trialMin - x[i]);
    }
    const Mask better = (determinant > zeroFloats()) & (error < bestError);
    bestError = select(better, error, bestError);
    scale = select(better, trialScale, scale);
    min = select(better, trialMin, min);
    bestInverse = select(better, inverse, bestInverse);
    bestBase = select(better, base, bestBase);
  }
  return {select(flat, zeroFloats(), scale), -select(flat, lowest, min), select(flat, zeroFloats(), bestInverse),
          select(flat, zeroFloats(), bestBase)};
}

/// The weight of largest magnitude of each lane (the first of equals), and that magnitude.
struct Extreme {
  F32 value;
  F32 magnitude;
};

template <int N>
QS_INLINE Extreme extremeOf(const F32* x) {
  Extreme extreme{zeroFloats(), zeroFloats()};
  for (int i = 0; i < N; ++i) {
    const F32 size = magnitude(x[i]);
    const Mask more = size > extreme.magnitude;
    extreme.magnitude = select(more, size, extreme.magnitude);
    extreme.value = select(more, x[i], extreme.value);
  }
  return extreme;
}

/// x' = scale · q. The codes are nearestCode(inverse · x), limited to [−kLargest, kLargest − 1]; a negligible group has
/// scale 0, and its stored codes are 0 (the lowest, not the middle one).
struct SymmetricFit {
  F32 scale;
  F32 inverse;
  Mask negligible;
};

/// Minimises Σ w·(scale·q − x)². The inverse scales tried put the weight of largest magnitude near −kLargest; the best
/// least-squares scale wins by (Σ w·x·q)² / Σ w·q².
template <int N, int kLargest>
QS_INLINE SymmetricFit fitSymmetric(const F32* x, const F32* w) {
  const Extreme extreme = extremeOf<N>(x);
  F32 wx[N];
  for (int i = 0; i < N; ++i) wx[i] = w[i] * x[i];
  F32 sumQx;
  F32 sumQ2;
  const auto attempt = [&](F32 inverse) {
    sumQx = zeroFloats();
    sumQ2 = zeroFloats();
    for (int i = 0; i < N; ++i) {
      const F32 code = nearestCode(inverse * x[i], -kLargest, kLargest - 1);
      sumQx = sumQx + wx[i] * code;
      sumQ2 = sumQ2 + w[i] * code * code;
    }
  };
  F32 bestInverse = splat(-static_cast<float>(kLargest)) / extreme.value;
  attempt(bestInverse);
  F32 scale = select(sumQ2 != zeroFloats(), sumQx / sumQ2, zeroFloats());
  F32 best = scale * sumQx;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const F32 inverse = splat(-(static_cast<float>(kLargest) + 0.1f * static_cast<float>(step))) / extreme.value;
    attempt(inverse);
    const Mask better = (sumQ2 > zeroFloats()) & (sumQx * sumQx > best * sumQ2);
    scale = select(better, sumQx / sumQ2, scale);
    best = select(better, scale * sumQx, best);
    bestInverse = select(better, inverse, bestInverse);
  }
  const Mask negligible = extreme.magnitude < splat(kNegligible);
  return {select(negligible, zeroFloats(), scale), bestInverse, negligible};
}

/// One group of each lane during fitByDescent.
template <int N>
struct Descent {
  F32 w[N];
  F32 wx[N];
  F32 shareQx[N];  // what each weight adds to the two sums
  F32 shareQ2[N];
  F32 sumQx = zeroFloats();
  F32 sumQ2 = zeroFloats();
};

/// As fitSymmetric with w = x², but by coordinate descent: starting from the codes of one inverse scale, each code in
/// turn becomes the nearest one for the scale of all the others, while (Σ w·x·q)² / Σ w·q² grows; at most five rounds.
/// `codes` gets the codes, `scales` the scales, zero for a negligible group. kGroups groups of every lane take turns,
/// because each is one long chain of dependent operations.
template <int N, int kLargest, int kGroups>
QS_INLINE void fitByDescent(const Runs<N>* x, Runs<N>* codes, F32* scales, Mask* negligible) {
  Descent<N> groups[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const Extreme extreme = extremeOf<N>(x[g].at);
    negligible[g] = extreme.magnitude < splat(kNegligible);
    const F32 inverse = splat(-static_cast<float>(kLargest)) / extreme.value;
    Descent<N>& group = groups[g];
    for (int i = 0; i < N; ++i) {
      const F32 value = x[g].at[i];
      const F32 code = nearestCode(inverse * value, -kLargest, kLargest - 1);
      codes[g].at[i] = code;
      group.w[i] = value * value;
      group.wx[i] = group.w[i] * value;
      group.shareQx[i] = group.wx[i] * code;
      group.shareQ2[i] = group.w[i] * code * code;
      group.sumQx = group.sumQx + group.shareQx[i];
      group.sumQ2 = group.sumQ2 + group.shareQ2[i];
    }
  }
  const F32 low = splat(-static_cast<float>(kLargest));
  const F32 high = splat(static_cast<float>(kLargest - 1));
  uint32_t changed = 1;
  for (int round = 0; round < 5 && changed != 0; ++round) {
    changed = 0;  // a lane without a change in a whole round has none in the next
    for (int i = 0; i < N; ++i) {
      for (int g = 0; g < kGroups; ++g) {
        Descent<N>& group = groups[g];
        const F32 restQx = group.sumQx - group.shareQx[i];
        const F32 restQ2 = group.sumQ2 - group.shareQ2[i];
        const F32 scaled = x[g].at[i] * restQ2;
        // A code is kept if the new one, before rounding, is well within half a step of it. Checking that needs no division,
        // and it is nearly always so.
        const F32 inRange = smaller(larger(scaled, low * restQx), high * restQx);
        const Mask stays = magnitude(inRange - codes[g].at[i] * restQx) < splat(0.499f) * restQx;
        const Mask open = (restQx > zeroFloats()) & ~stays;
        if (!any(open)) continue;
        const F32 code = nearestCode(scaled / restQx, -kLargest, kLargest - 1);
        const F32 newQx = group.wx[i] * code;
        const F32 newQ2 = group.w[i] * code * code;
        const F32 trialQx = restQx + newQx;
        const F32 trialQ2 = restQ2 + newQ2;
        const Mask better = open & (code != codes[g].at[i]) & (trialQ2 > zeroFloats()) &
                            (trialQx * trialQx * group.sumQ2 > group.sumQx * group.sumQx * trialQ2);
        codes[g].at[i] = select(better, code, codes[g].at[i]);
        group.shareQx[i] = select(better, newQx, group.shareQx[i]);
        group.shareQ2[i] = select(better, newQ2, group.shareQ2[i]);
        group.sumQx = select(better, trialQx, group.sumQx);
        group.sumQ2 = select(better, trialQ2, group.sumQ2);
        changed |= laneBits(better & ~negligible[g]);
      }
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    const F32 scale = groups[g].sumQx / groups[g].sumQ2;
    scales[g] = select(negligible[g] | ~(groups[g].sumQ2 > zeroFloats()), zeroFloats(), scale);
  }
}

/// Minimises Σ w·(scale·q − x)² over codes q in [0, kLargest], for x that are rarely negative: inverse scales around
/// kLargest/max, then coordinate descent as above. `codes` gets the codes modulo 256; the result is the scale.
template <int N, int kLargest>
QS_INLINE F32 fitPositive(const F32* x, const F32* w, I32* codes) {
  constexpr int kAnyLow = -4194304;
  const auto wrap = [](F32 code) { return truncated(code) & splat(255); };
  F32 highest = zeroFloats();
  for (int i = 0; i < N; ++i) highest = larger(highest, x[i]);
  const Mask negligible = highest < splat(kNegligible);
  F32 inverse = splat(static_cast<float>(kLargest)) / highest;
  const F32 firstScale = splat(1.0f) / inverse;
  F32 bestError = zeroFloats();
  for (int i = 0; i < N; ++i) {
    const F32 difference = x[i] - firstScale * toFloats(nearestInts(inverse * x[i]) & splat(255));
    bestError = bestError + w[i] * difference * difference;
  }
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const F32 trial = splat(0.1f * static_cast<float>(step) + static_cast<float>(kLargest)) / highest;
    const F32 scale = splat(1.0f) / trial;
    F32 error = zeroFloats();
    for (int i = 0; i < N; ++i) {
      const F32 difference = x[i] - scale * nearestCode(trial * x[i], kAnyLow, kLargest);
      error = error + w[i] * difference * difference;
    }
    const Mask better = error < bestError;
    bestError = select(better, error, bestError);
    inverse = select(better, trial, inverse);
  }
  F32 wx[N];
  F32 stored[N];  // as bytes: a negative code wraps around
  F32 sumQx = zeroFloats();
  F32 sumQ2 = zeroFloats();
  for (int i = 0; i < N; ++i) {
    const F32 code = nearestCode(inverse * x[i], kAnyLow, kLargest);
    stored[i] = toFloats(wrap(code));
    wx[i] = w[i] * x[i];
    sumQx = sumQx + wx[i] * code;
    sumQ2 = sumQ2 + w[i] * code * code;
  }
  for (int round = 0; round < 5; ++round) {
    Mask changed = negligible & ~negligible;
    for (int i = 0; i < N; ++i) {
      const F32 restQx = sumQx - wx[i] * stored[i];
      const F32 restQ2 = sumQ2 - w[i] * stored[i] * stored[i];
      const F32 code = nearestCode(x[i] * restQ2 / restQx, kAnyLow, kLargest);
      const F32 trialQx = restQx + wx[i] * code;
      const F32 trialQ2 = restQ2 + w[i] * code * code;
      const Mask better = (restQx > zeroFloats()) & (restQ2 > zeroFloats()) & (code != stored[i]) &
                          (trialQx * trialQx * sumQ2 > sumQx * sumQx * trialQ2);
      stored[i] = select(better, toFloats(wrap(code)), stored[i]);
      sumQx = select(better, trialQx, sumQx);
      sumQ2 = select(better, trialQ2, sumQ2);
      changed = changed | better;
    }
    if (!any(changed & ~negligible)) break;
  }
  for (int i = 0; i < N; ++i) codes[i] = select(negligible, splat(0), truncated(stored[i]));
  return select(negligible | ~(sumQ2 > zeroFloats()), zeroFloats(), sumQx / sumQ2);
}

/// w = importance · √(σ² + x²).
QS_INLINE F32 importanceWeight(F32 importance, F32 sigma2, F32 x) { return importance * squareRoot(sigma2 + x * x); }

/// Pointers to the groups of a batch, one lane each; lanes after the last group repeat it.
struct Lanes {
  const float* x[kLanes];
  const float* importance[kLanes];  // set when there are importance weights
  size_t ahead;                     // floats from here to the next batch
};

/// Groups first … first + kLanes − 1 of `count` groups of `size` weights, in rows of `columns` weights that share the
/// importance of their columns.
QS_INLINE Lanes lanesFrom(const float* x, size_t first, size_t count, size_t size, const float* importance, size_t columns) {
  Lanes lanes;
  lanes.ahead = kLanes * size;
  for (size_t l = 0; l < kLanes; ++l) {
    const size_t group = first + l < count ? first + l : count - 1;
    lanes.x[l] = x + group * size;
    lanes.importance[l] = importance == nullptr ? nullptr : importance + group * size % columns;
  }
  return lanes;
}

/// Weights offset … offset + N − 1 of every group of a batch. The next batch is prefetched:
/// the searches take long enough to hide the latency of memory.
template <int N>
QS_INLINE void loadGroups(const Lanes& lanes, size_t offset, Runs<N>& out) {
  constexpr size_t kLine = 16;
  for (size_t i = 0; i < N; i += kLine) {
    for (const float* x : lanes.x) prefetch(x + offset + i + lanes.ahead);
  }
  loadRuns(lanes.x, offset, out);
}

}  // namespace qs::QS_TARGET
