#pragma once
// Sums over a model's logits, and the bandwidth of memory, computed on the thread pool. No N-API here.
#include <cstdint>
#include <span>

#include "rows.h"

namespace qs {

// Adds columns [firstColumn, firstColumn + columns) of the vocabulary to the sums, LogitSums::kCount per row. `base` is
// empty or as long as `logits`; `targets` has one token per row. After cancelling, the sums are invalid.
void accumulateLogits(std::span<const float> logits, std::span<const float> base, size_t columns, size_t firstColumn,
                      std::span<const int32_t> targets, std::span<double> sums, CancelFlag cancelled);

// Bytes per second, read and written, of copying a buffer of so many bytes with all threads: the best of a few rounds.
double copyBandwidth(size_t bytes);

}  // namespace qs
