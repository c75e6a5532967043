#include "statistics.h"

#include <chrono>
#include <cstring>
#include <limits>
#include <memory>

#include "kernels/kernels.h"

namespace qs {
namespace {

void copyOnce(const uint8_t* from, uint8_t* to, size_t bytes) {
  const size_t perPiece = (bytes + Pool::shared().threads() - 1) / Pool::shared().threads();
  overRows(bytes, perPiece, nullptr, [&](size_t first, size_t count) { std::memcpy(to + first, from + first, count); });
}

}  // namespace

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

double copyBandwidth(size_t bytes) {
  constexpr size_t kMin = size_t{1} << 20;
  constexpr size_t kMax = size_t{1} << 40;
  constexpr int kRounds = 6;
  if (bytes < kMin || bytes > kMax) fail("copy bandwidth cannot be measured with " + std::to_string(bytes) + " bytes");
  const std::unique_ptr<uint8_t[]> from(new uint8_t[bytes]());
  const std::unique_ptr<uint8_t[]> to(new uint8_t[bytes]());
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    copyOnce(from.get(), to.get(), bytes);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
  }
  return 2.0 * static_cast<double>(bytes) / best;
}

}  // namespace qs
