#pragma once
// Limits of the magnitudes of groups of consecutive columns, the last of which may be shorter.
#include <span>

#include "../rows.h"

namespace qs {

/// limits[r, g] = max |values[r, c]| over the columns c of group g. `values` is `[rows, columns]`, `limits` `[rows, groups]`.
void groupLimits(std::span<const float> values, size_t columns, size_t group, std::span<float> limits, CancelFlag cancelled);

/// target[r, c] = values[r, c], but no further from 0 than the limit of its group.
void limitGroups(std::span<const float> values, size_t columns, size_t group, std::span<const float> limits,
                 std::span<float> target, CancelFlag cancelled);

}  // namespace qs
