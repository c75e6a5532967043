#pragma once
// The search that the lattice types IQ2 and IQ3 share: for a sub-block, every candidate scale rounds the weights, moves
// each group of 4 or 8 codes to a point of the grid, and is judged by (Σ w·x·q)² / Σ w·q² with q = 2·level + 1. The lanes
// are candidates.
#include <bit>
#include <cfloat>

#include "blocks.h"
#include "fits.h"
#include "floats.h"
#include "grids.h"

namespace qs::QS_TARGET {

template <int kDims>
inline constexpr int kLevelBits = kDims == 8 ? 2 : 3;
template <int kDims>
inline constexpr int kLevels = kDims == 8 ? 3 : 8;

/// The level of coordinate i of a code.
template <int kDims>
QS_INLINE uint32_t levelOf(uint32_t code, int i) {
  return (code >> (kLevelBits<kDims> * i)) & ((1u << kLevelBits<kDims>) - 1);
}

/// errors[i][l] = w·(scale·(2·l + 1) − x)² of coordinate i at level l, for one scale or a vector of them.
template <int kDims, typename Value, typename Broadcast>
QS_INLINE void levelErrors(const float* x, const float* w, Value scale, const Broadcast& broadcast,
                           Value (*errors)[kLevels<kDims>]) {
  for (int i = 0; i < kDims; ++i) {
    for (int level = 0; level < kLevels<kDims>; ++level) {
      const Value difference = scale * broadcast(static_cast<float>(2 * level + 1)) - broadcast(x[i]);
      errors[i][level] = broadcast(w[i]) * difference * difference;
    }
  }
}

/// Sum over the coordinates of a code.
template <int kDims, typename Value>
QS_INLINE Value errorOf(uint32_t code, const Value (*errors)[kLevels<kDims>]) {
  Value sum = errors[0][levelOf<kDims>(code, 0)];
  for (int i = 1; i < kDims; ++i) sum = sum + errors[i][levelOf<kDims>(code, i)];
  return sum;
}

/// For each lane's scale, the code of the listed neighbour of least error, the first of equals.
template <int kDims>
QS_INLINE I32 nearestNeighbours(const Grid& grid, int32_t entry, const F32 (*errors)[kLevels<kDims>]) {
  const Neighbours& list = grid.list(static_cast<size_t>(-1 - entry));
  const uint16_t* codes = grid.neighbourCodes() + list.offset;
  F32 best = splat(FLT_MAX);
  I32 found = splat(int32_t{codes[0]});
  for (uint32_t j = 0; j < list.count; ++j) {
    const F32 error = errorOf<kDims>(codes[j], errors);
    const Mask better = error < best;
    best = select(better, error, best);
    found = select(better, splat(int32_t{codes[j]}), found);
  }
  return found;
}

/// The same for one scale.
template <int kDims>
QS_INLINE uint16_t nearestNeighbour(const Grid& grid, int32_t entry, const float (*errors)[kLevels<kDims>]) {
  const Neighbours& list = grid.list(static_cast<size_t>(-1 - entry));
  const uint16_t* codes = grid.neighbourCodes() + list.offset;
  float best = FLT_MAX;
  uint16_t found = codes[0];
  for (uint32_t j = 0; j < list.count; ++j) {
    const float error = errorOf<kDims>(codes[j], errors);
    if (error < best) {
      best = error;
      found = codes[j];
    }
  }
  return found;
}

/// One sub-block: magnitudes (with one sign flipped back where the number of minus signs must be even), weights.
template <int N>
struct SubBlock {
  float x[N];
  float w[N];
  float root[N];  // √w
  uint8_t signs[N / 8];
  float largest;
};

enum class Signs { All, Even };

/// Fills x, root, signs and largest from the weights and `w`.
template <int N, Signs kSigns>
QS_INLINE void prepare(const float* weights, SubBlock<N>& sub) {
  for (int i = 0; i < N; i += kLanes) {
    const F32 value = load(weights + i);
    store(sub.x + i, select(value >= zeroFloats(), value, -value));
    store(sub.root + i, squareRoot(load(sub.w + i)));
  }
  for (int k = 0; k < N / 8; ++k) {
    const float* group = weights + 8 * k;
    uint32_t signs = 0;
    for (int i = 0; i < 8; ++i) signs |= (group[i] >= 0 ? 0u : 1u) << i;
    if constexpr (kSigns == Signs::Even) {
      if (evenSigns(signs & 127) != signs) {
        int least = 0;
        float smallest = sub.w[8 * k] * group[0] * group[0];
        for (int i = 1; i < 8; ++i) {
          const float cost = sub.w[8 * k + i] * group[i] * group[i];
          if (cost < smallest) {
            smallest = cost;
            least = i;
          }
        }
        sub.x[8 * k + least] = -sub.x[8 * k + least];
        signs ^= 1u << least;
      }
      signs &= 127;
    }
    sub.signs[k] = static_cast<uint8_t>(signs);
  }
  sub.largest = sub.x[0];
  for (int i = 1; i < N; ++i) sub.largest = sub.x[i] > sub.largest ? sub.x[i] : sub.largest;
}

/// What a sub-block is stored as: the codes of its groups, all on the grid, and its scale.
template <int kGroups>
struct LatticeFit {
  float scale;
  uint16_t codes[kGroups];
};

/// Moves the codes of group k, rounded with 1/scale, to the grid. The result is the code.
template <int kDims>
QS_INLINE uint16_t codeAtScale(const Grid& grid, const float* x, const float* root, float scale) {
  const float inverse = 1 / scale;
  uint32_t code = 0;
  uint32_t key = 0;
  uint32_t power = 1;
  for (int i = 0; i < kDims; ++i) {
    int level = nearestInt(0.5f * (inverse * x[i] - 1));
    level = level < 0 ? 0 : level > kLevels<kDims> - 1 ? kLevels<kDims> - 1 : level;
    code |= static_cast<uint32_t>(level) << (kLevelBits<kDims> * i);
    key += static_cast<uint32_t>(level) * power;
    power *= static_cast<uint32_t>(kLevels<kDims>);
  }
  const int32_t entry = grid.map()[key];
  if (entry >= 0) return static_cast<uint16_t>(code);
  float errors[kDims][kLevels<kDims>];
  levelErrors<kDims>(x, root, scale, [](float value) { return value; }, errors);
  return nearestNeighbour<kDims>(grid, entry, errors);
}

/// Σ w·x·q and Σ w·q² with q = 2·level + 1 of one set of codes.
template <int kDims, int N>
QS_INLINE void sumsOf(const SubBlock<N>& sub, const uint16_t* codes, float& sumQx, float& sumQ2) {
  sumQx = 0;
  sumQ2 = 0;
  for (int i = 0; i < N; ++i) {
    const float q = static_cast<float>(2 * levelOf<kDims>(codes[i / kDims], i % kDims) + 1);
    sumQx += sub.w[i] * sub.x[i] * q;
    sumQ2 += sub.w[i] * q * q;
  }
}

/// Which groups are rounded again with the scale that won.
enum class Again { OffGrid, AllIfAnyOffGrid, All };

/// The inverse scales tried: (2·levels − 1 + step·k) / reach, k = −steps … steps.
struct LatticeCandidates {
  int steps;
  float step;
};

template <int kDims, int N>
QS_INLINE LatticeFit<N / kDims> fitLattice(const Grid& grid, const SubBlock<N>& sub, float reach, float firstScale,
                                           LatticeCandidates candidates, Again again) {
  constexpr int kGroups = N / kDims;
  constexpr int kMaxCandidates = 32;
  constexpr int kMask = (1 << kLevelBits<kDims>) - 1;
  const int count = 2 * candidates.steps + 1;
  alignas(64) float inverses[kMaxCandidates];
  for (int c = 0; c < kMaxCandidates; ++c) {
    const int step = (c < count ? c : count - 1) - candidates.steps;
    inverses[c] = (static_cast<float>(2 * kLevels<kDims> - 1) + static_cast<float>(step) * candidates.step) / reach;
  }
  LatticeFit<kGroups> fit{};
  fit.scale = firstScale;
  float best = 0;
  uint32_t onGrid = again == Again::AllIfAnyOffGrid ? 0 : (1u << kGroups) - 1;
  for (int first = 0; first < count; first += kLanes) {
    const F32 inverse = load(inverses + first);
    const F32 scale = splat(1.0f) / inverse;
    const int lanes = count - first < kLanes ? count - first : kLanes;
    alignas(64) int32_t codes[kGroups][kLanes];
    uint32_t off[kGroups];
    F32 sumQx = zeroFloats();
    F32 sumQ2 = zeroFloats();
    for (int k = 0; k < kGroups; ++k) {
      const float* x = sub.x + k * kDims;
      F32 code = zeroFloats();
      F32 key = zeroFloats();
      float weight = 1;
      float power = 1;
      for (int i = 0; i < kDims; ++i) {
        const F32 scaled = splat(0.5f) * (inverse * splat(x[i]) - splat(1.0f));
        const F32 level = nearestCode(scaled, 0, kLevels<kDims> - 1);
        code = code + level * splat(weight);
        if constexpr (kDims == 8) key = key + level * splat(power);
        weight *= kMask + 1;
        power *= kLevels<kDims>;
      }
      I32 moved = truncated(code);
      const I32 entries = gather(grid.map(), truncated(kDims == 8 ? key : code));
      off[k] = laneBits(splat(0) > entries) & ((1u << lanes) - 1);
      if (off[k] != 0) {
        F32 errors[kDims][kLevels<kDims>];
        levelErrors<kDims>(x, sub.root + k * kDims, scale, [](float value) { return splat(value); }, errors);
        int32_t entry[kLanes];
        store(entry, entries);
        // Neighbouring candidates often share a code and therefore the list.
        for (uint32_t open = off[k]; open != 0;) {
          const int32_t shared = entry[std::countr_zero(open)];
          const Mask here = entries == splat(shared);
          moved = select(here, nearestNeighbours<kDims>(grid, shared, errors), moved);
          open &= ~laneBits(here);
        }
      }
      store(codes[k], moved);
      for (int i = 0; i < kDims; ++i) {
        const I32 level = (moved >> (kLevelBits<kDims> * i)) & splat(kMask);
        const F32 q = toFloats((level << 1) | splat(1));
        const float w = sub.w[k * kDims + i];
        sumQx = sumQx + splat(w * x[i]) * q;
        sumQ2 = sumQ2 + splat(w) * q * q;
      }
    }
    float qx[kLanes];
    float q2[kLanes];
    store(qx, sumQx);
    store(q2, sumQ2);
    for (int lane = 0; lane < lanes; ++lane) {
      if (!(q2[lane] > 0 && qx[lane] * qx[lane] > best * q2[lane])) continue;
      fit.scale = qx[lane] / q2[lane];
      best = fit.scale * qx[lane];
      onGrid = 0;
      for (int k = 0; k < kGroups; ++k) {
        fit.codes[k] = static_cast<uint16_t>(codes[k][lane]);
        onGrid |= (((off[k] >> lane) & 1) ^ 1) << k;
      }
    }
  }
  const bool allOn = onGrid == (1u << kGroups) - 1;
  if (fit.scale > 0 && (again == Again::All || !allOn)) {
    for (int k = 0; k < kGroups; ++k) {
      if (again == Again::OffGrid && ((onGrid >> k) & 1) != 0) continue;
      fit.codes[k] = codeAtScale<kDims>(grid, sub.x + k * kDims, sub.root + k * kDims, fit.scale);
    }
    float sumQx;
    float sumQ2;
    sumsOf<kDims, N>(sub, fit.codes, sumQx, sumQ2);
    if (sumQ2 > 0) fit.scale = sumQx / sumQ2;
  }
  return fit;
}

/// Index of a point of the grid by its code.
template <int kDims>
QS_INLINE uint32_t indexOf(const Grid& grid, uint16_t code) {
  uint32_t key = 0;
  uint32_t power = 1;
  for (int i = 0; i < kDims; ++i) {
    key += levelOf<kDims>(code, i) * power;
    power *= static_cast<uint32_t>(kLevels<kDims>);
  }
  return static_cast<uint32_t>(grid.map()[key]);
}

/// Σx² of a super-block, in order.
QS_INLINE float sumOfSquares(const float* x) {
  float sum = 0;
  for (int i = 0; i < kSuperBlock; ++i) sum += x[i] * x[i];
  return sum;
}

/// w = importance · √(σ² + x²).
template <int N>
QS_INLINE void weighByImportance(const float* x, const float* importance, float sigma2, float* w) {
  for (int i = 0; i < N; i += kLanes) store(w + i, importanceWeight(load(importance + i), splat(sigma2), load(x + i)));
}

/// Four-bit scale: x' is a multiple of (2·code + 1).
QS_INLINE int oddScale(float scale, float inverse, int largest) {
  const int code = nearestInt(0.5f * (inverse * scale - 1));
  return code < 0 ? 0 : code > largest ? largest : code;
}

}  // namespace qs::QS_TARGET
