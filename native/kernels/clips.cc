#include "clips.h"

#include <algorithm>

#include "levels.h"

// Candidates are in lanes, weights one after another, so that each candidate's sum is added in the same order on every instruction set.
// The best is taken only where its error, added in float64, is below that of the whole range.

namespace qs::QS_TARGET {
namespace {

// Where a range with a zero point is shrunk: at its upper end, at both, or at its lower end.
constexpr float kAnchors[] = {0.0f, 0.5f, 1.0f};
constexpr size_t kWidth = 16;  // candidates at a time, a multiple of every kLanes
constexpr size_t kMost = (3 * ClipSearch::kMostFactors + 1 + kWidth - 1) / kWidth * kWidth;

struct Group {
  const float* x;
  const float* importance;  // of its first column, or null
  size_t importanceLength;  // columns after which importance starts again
  size_t firstColumn;
  size_t rows;
  size_t columns;
  size_t stride;
};

struct Candidates {
  size_t count = 0;
  float scales[kMost];
  float zeros[kMost];
  float inverses[kMost];

  void add(const GroupParameters& parameters) {
    scales[count] = parameters.scale;
    zeros[count] = parameters.zero;
    inverses[count] = parameters.inverse;
    ++count;
  }

  GroupParameters at(size_t index) const { return {scales[index], zeros[index], inverses[index]}; }
};

Group groupAt(const ClipSearch& search, size_t index) {
  const GroupedMatrix& matrix = search.matrix;
  const size_t row = index / matrix.across() * matrix.groupRows;
  const size_t column = index % matrix.across() * matrix.groupColumns;
  return {search.source + row * matrix.columns + column,
          search.importance.empty() ? nullptr : search.importance.data(),
          search.importance.size(),
          column,
          std::min(matrix.groupRows, matrix.rows - row),
          std::min(matrix.groupColumns, matrix.columns - column),
          matrix.columns};
}

/// Calls use(weight, weight of its error) for each weight of a group, row by row.
template <typename Use>
QS_INLINE void forEachWeight(const Group& group, const Use& use) {
  for (size_t row = 0; row < group.rows; ++row) {
    const float* x = group.x + row * group.stride;
    if (group.importance == nullptr) {
      for (size_t i = 0; i < group.columns; ++i) use(x[i], 1.0f);
      continue;
    }
    size_t column = group.firstColumn % group.importanceLength;
    for (size_t i = 0; i < group.columns; ++i) {
      use(x[i], group.importance[column]);
      if (++column == group.importanceLength) column = 0;
    }
  }
}

GroupSpan spanOf(const Group& group) {
  GroupSpan all = spanOfWeights(group.x, group.columns);
  for (size_t row = 1; row < group.rows; ++row) {
    const GroupSpan span = spanOfWeights(group.x + row * group.stride, group.columns);
    all = {std::min(all.min, span.min), std::max(all.max, span.max)};
  }
  return all;
}

void addCandidates(const WeightGrid& grid, const ClipSearch& search, GroupSpan span, Candidates& candidates) {
  for (const float factor : search.factors) {
    if (grid.zero == ZeroKind::None) {
      candidates.add(parametersOf(grid, {factor * span.min, factor * span.max}, search.globalScale));
      continue;
    }
    const float cut = (1.0f - factor) * (span.max - span.min);
    for (const float anchor : kAnchors) {
      const GroupSpan shrunk{span.min + anchor * cut, span.max - (1.0f - anchor) * cut};
      candidates.add(parametersOf(grid, shrunk, search.globalScale));
    }
  }
}

/// Index of the candidate with the least error, the first of equals.
size_t leastError(const Coder& coder, const Group& group, const ClipSearch& search, Candidates& candidates) {
  const WeightGrid& grid = coder.grid();
  while (candidates.count % kWidth != 0) candidates.add(candidates.at(0));
  size_t best = 0;
  float least = 0.0f;
  for (size_t start = 0; start < candidates.count; start += kLanes) {
    float scales[kLanes];
    float errors[kLanes];
    for (size_t l = 0; l < kLanes; ++l) {
      scales[l] = effectiveScale(grid, candidates.scales[start + l], search.globalScale);
    }
    const F32 scale = load(scales);
    const F32 inverse = load(candidates.inverses + start);
    const F32 zero = load(candidates.zeros + start);
    F32 sum = zeroFloats();
    forEachWeight(group, [&](float x, float importance) {
      const F32 weight = splat(x);
      const F32 difference = coder.values(coder.codes(weight, scale, inverse, zero), scale, zero) - weight;
      sum = sum + difference * difference * splat(importance);
    });
    store(errors, sum);
    for (size_t l = 0; l < kLanes; ++l) {
      if (start + l > 0 && !(errors[l] < least)) continue;
      least = errors[l];
      best = start + l;
    }
  }
  return best;
}

struct Differences {
  double squares = 0.0;     // Σ h (w − ŵ)²
  double sum = 0.0;         // Σ h (w − ŵ)
  double importance = 0.0;  // Σ h
};

Differences differencesOf(const Coder& coder, const Group& group, GroupParameters parameters, float globalScale) {
  const WeightGrid& grid = coder.grid();
  const F32 scale = splat(effectiveScale(grid, parameters.scale, globalScale));
  const F32 inverse = splat(parameters.inverse);
  const F32 zero = splat(parameters.zero);
  Differences found;
  float decoded[kLanes];
  forEachWeight(group, [&](float x, float importance) {
    store(decoded, coder.values(coder.codes(splat(x), scale, inverse, zero), scale, zero));
    const double difference = static_cast<double>(x) - static_cast<double>(decoded[0]);
    found.squares += difference * difference * static_cast<double>(importance);
    found.sum += difference * static_cast<double>(importance);
    found.importance += static_cast<double>(importance);
  });
  return found;
}

/// Moves a zero point that is not an integer so that the mean error of the group is 0.
GroupParameters centred(const WeightGrid& grid, GroupParameters parameters, const Differences& found) {
  if (grid.zero != ZeroKind::Float && grid.zero != ZeroKind::Minimum) return parameters;
  if (found.importance == 0.0 || parameters.scale == 0.0f) return parameters;
  const double mean = found.sum / found.importance;
  const double shift = grid.zero == ZeroKind::Minimum ? mean : -mean / static_cast<double>(parameters.scale);
  return {parameters.scale, static_cast<float>(static_cast<double>(parameters.zero) + shift), parameters.inverse};
}

GroupParameters searchGroup(const Coder& coder, const ClipSearch& search, size_t index) {
  const WeightGrid& grid = coder.grid();
  const Group group = groupAt(search, index);
  const GroupSpan span = spanOf(group);
  const GroupParameters whole = parametersOf(grid, span, search.globalScale);
  Candidates candidates;
  candidates.add(whole);
  addCandidates(grid, search, span, candidates);
  const size_t best = leastError(coder, group, search, candidates);
  const GroupParameters found = candidates.at(best);
  const auto errorOf = [&](GroupParameters parameters) {
    return differencesOf(coder, group, parameters, search.globalScale);
  };
  const GroupParameters moved = centred(grid, found, errorOf(found));
  const double least = errorOf(whole).squares;
  if (errorOf(moved).squares < least) return moved;
  return errorOf(found).squares < least ? found : whole;
}

}  // namespace

void searchClips(const WeightGrid& grid, const ClipSearch& search, size_t first, size_t count, ParameterTarget target) {
  const Coder coder(grid);
  for (size_t group = first; group < first + count; ++group) target.set(group, searchGroup(coder, search, group));
}

}  // namespace qs::QS_TARGET
