#include "statistics.h"

#include "kernels/kernels.h"

namespace qs {

void accumulateLogits(std::span<const float> logits, std::span<const float> base, size_t columns, size_t firstColumn,
                      std::span<const int32_t> targets, std::span<double> sums, CancelFlag cancelled) {
  const size_t rows = rowsOf(logits, columns);
  if (base.data() != nullptr) requireLength("base", base.size(), logits.size());
  requireLength("targets", targets.size(), rows);
  requireLength("sums", sums.size(), rows * LogitSums::kCount);
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row) {
      const float* ofBase = base.data() == nullptr ? nullptr : base.data() + row * columns;
      const LogitSlice slice{logits.data() + row * columns, ofBase, columns, firstColumn, targets[row]};
      kernels().accumulateLogits(slice, sums.data() + row * LogitSums::kCount);
    }
  });
}

}  // namespace qs
