#include "limits.h"

#include <cmath>

namespace qs {
namespace {

/// Runs work(index of the first weight, weights, index of the limit) for each group over the pool.
template <typename Work>
void overGroups(std::span<const float> values, size_t columns, size_t group, size_t limits, CancelFlag cancelled,
                const Work& work) {
  const size_t rows = rowsOf(values, columns);
  if (group == 0) fail("a group has no columns");
  const size_t groups = (columns + group - 1) / group;
  requireLength("limits", limits, rows * groups);
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row) {
      for (size_t g = 0; g < groups; ++g) {
        work(row * columns + g * group, std::min(group, columns - g * group), row * groups + g);
      }
    }
  });
}

}  // namespace

void groupLimits(std::span<const float> values, size_t columns, size_t group, std::span<float> limits, CancelFlag cancelled) {
  overGroups(values, columns, group, limits.size(), cancelled, [&](size_t first, size_t count, size_t limit) {
    float largest = 0.0f;
    for (size_t i = first; i < first + count; ++i) largest = std::max(largest, std::fabs(values[i]));
    limits[limit] = largest;
  });
}

void limitGroups(std::span<const float> values, size_t columns, size_t group, std::span<const float> limits,
                 std::span<float> target, CancelFlag cancelled) {
  requireLength("the target", target.size(), values.size());
  overGroups(values, columns, group, limits.size(), cancelled, [&](size_t first, size_t count, size_t limit) {
    const float high = limits[limit];
    for (size_t i = first; i < first + count; ++i) target[i] = std::clamp(values[i], -high, high);
  });
}

}  // namespace qs
