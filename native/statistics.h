#pragma once
// Statistics of what a model computes, and what memory reaches, over the pool. Knows nothing of N-API.
#include <cstdint>
#include <span>

#include "rows.h"

namespace qs {

// Adds columns [firstColumn, firstColumn + columns) of the vocabulary to the sums, LogitSums::kCount per row. `base` is
// empty or as long as `logits`; `targets` has one token per row. Sums that were not finished are of no use.
void accumulateLogits(std::span<const float> logits, std::span<const float> base, size_t columns, size_t firstColumn,
                      std::span<const int32_t> targets, std::span<double> sums, CancelFlag cancelled);

// Bytes per second, read and written, of copying a buffer of so many bytes with all threads: the best of a few rounds.
double copyBandwidth(size_t bytes);

}  // namespace qs
