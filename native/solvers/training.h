#pragma once
// What a step of a refinement does to the numbers of a tensor. Sums and products are those of float64 in the order of the elements, so that
// results depend neither on threads nor on the processor.
#include <cstdint>
#include <span>

#include "../rows.h"

namespace qs {

/// Numbers that are trained, and Adam's averages of their gradients and of the squares of these.
struct AdamNumbers {
  std::span<float> values;
  std::span<float> first;
  std::span<float> second;
};

/// Weights of what was before in the averages of gradients and of their squares.
struct AdamDecay {
  double first;
  double second;
};

struct AdamStep {
  AdamDecay decay;
  double size;        // the rate over the weight that the average of gradients has so far
  double correction;  // one over the weight that the average of squares has so far
  std::span<const float> units;
  size_t per;  // units[i / per] is the unit of number i
};

/// Moves numbers against their gradient (Kingma and Ba 2015, algorithm 1).
void adamStep(const AdamNumbers& numbers, std::span<const float> gradient, const AdamStep& step);

/// Levels of codes in rising order, each with its code.
struct SortedLevels {
  std::span<const double> values;
  std::span<const uint8_t> codes;
  bool areEven;  // consecutive integers
};

/// Groups of so many weights that are level · scale + zero; `zeros` may be empty.
struct LevelGroups {
  size_t group;
  std::span<const float> scales;
  std::span<const float> zeros;
};

/// The codes whose weights are nearest to the given ones, which are finite. Between two levels an even one rounds up, another down.
void nearestLevels(const SortedLevels& levels, const LevelGroups& groups, std::span<const float> weights, std::span<uint8_t> codes);

/// Inner products of the blocks of two matrices.
void blockProducts(std::span<const float> a, std::span<const float> b, size_t block, std::span<float> products);

}  // namespace qs
