#include "training.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace qs {
namespace {

/// Below this a gradient is that of a number that changes nothing: it stays.
constexpr double kNegligible = 1e-12;

/// The nearest place among integers from 0 to `last`; halves round up. The first one for NaN, which is no place.
size_t nearestEven(double level, double last) {
  if (!(level > 0)) return 0;
  const double clamped = std::min(level, last);
  const double below = std::floor(clamped);
  return static_cast<size_t>(below) + (clamped - below >= 0.5 ? 1 : 0);
}

/// The number of middles below a level, without a branch for each.
size_t nearestUneven(double level, const std::vector<double>& middles) {
  size_t below = 0;
  for (const double middle : middles) below += level > middle ? 1 : 0;
  return below;
}

/// Of each two neighbouring levels.
std::vector<double> middlesOf(std::span<const double> values) {
  std::vector<double> middles(values.size() - 1);
  for (size_t i = 0; i < middles.size(); ++i) middles[i] = (values[i] + values[i + 1]) / 2;
  return middles;
}

/// Numbers from `first` on that share a unit.
void moveNumbers(const AdamNumbers& numbers, std::span<const float> gradient, size_t first, size_t count, const AdamStep& step) {
  const double reach = step.size * step.units[first / step.per];
  const auto [a, b] = step.decay;
  float* values = numbers.values.data() + first;
  float* means = numbers.first.data() + first;
  float* squares = numbers.second.data() + first;
  const float* gradients = gradient.data() + first;
  for (size_t i = 0; i < count; ++i) {
    const double g = gradients[i];
    const double mean = a * means[i] + (1 - a) * g;
    const double square = b * squares[i] + (1 - b) * g * g;
    means[i] = static_cast<float>(mean);
    squares[i] = static_cast<float>(square);
    values[i] = static_cast<float>(values[i] - (reach * mean) / (std::sqrt(square * step.correction) + kNegligible));
  }
}

}  // namespace

void adamStep(const AdamNumbers& numbers, std::span<const float> gradient, const AdamStep& step) {
  const size_t count = numbers.values.size();
  if (step.per == 0) fail("numbers that share a unit are none");
  requireLength("the gradient", gradient.size(), count);
  requireLength("averages", numbers.first.size(), count);
  requireLength("averages of squares", numbers.second.size(), count);
  const size_t units = (count + step.per - 1) / step.per;
  requireLength("units", step.units.size(), units);
  overRows(count, kPieceWeights, nullptr, [&](size_t first, size_t size) {
    for (size_t at = first, end = first + size; at < end;) {
      const size_t next = std::min(end, (at / step.per + 1) * step.per);
      moveNumbers(numbers, gradient, at, next - at, step);
      at = next;
    }
  });
}

void nearestLevels(const SortedLevels& levels, const LevelGroups& groups, std::span<const float> weights, std::span<uint8_t> codes) {
  if (levels.values.empty() || groups.group == 0) fail("there are no levels or no weights in a group");
  requireLength("codes of levels", levels.codes.size(), levels.values.size());
  requireLength("weights", weights.size(), product(groups.scales.size(), groups.group));
  requireLength("codes", codes.size(), weights.size());
  if (!groups.zeros.empty()) requireLength("zeros", groups.zeros.size(), groups.scales.size());
  const double lowest = levels.values.front();
  const auto last = static_cast<double>(levels.values.size() - 1);
  const std::vector<double> middles = middlesOf(levels.values);
  overRows(groups.scales.size(), rowsPerPiece(groups.group), nullptr, [&](size_t first, size_t count) {
    for (size_t g = first; g < first + count; ++g) {
      const double scale = groups.scales[g];
      const double zero = groups.zeros.empty() ? 0.0 : groups.zeros[g];
      const double inverse = scale == 0 ? 0 : 1 / scale;
      for (size_t i = g * groups.group; i < (g + 1) * groups.group; ++i) {
        const double level = (weights[i] - zero) * inverse;
        codes[i] = levels.codes[levels.areEven ? nearestEven(level - lowest, last) : nearestUneven(level, middles)];
      }
    }
  });
}

void blockProducts(std::span<const float> a, std::span<const float> b, size_t block, std::span<float> products) {
  requireLength("the second matrix", b.size(), a.size());
  requireLength("weights", a.size(), product(products.size(), block));
  overRows(products.size(), rowsPerPiece(block), nullptr, [&](size_t first, size_t count) {
    for (size_t own = first; own < first + count; ++own) {
      double sum = 0;
      for (size_t i = own * block; i < (own + 1) * block; ++i) sum += static_cast<double>(a[i]) * b[i];
      products[own] = static_cast<float>(sum);
    }
  });
}

}  // namespace qs
