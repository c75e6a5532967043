#include "statistics.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace qs {
namespace {

// Rows whose column sums are kept apart, then added up in order: the result does not depend on the threads.
constexpr size_t kRowsPerSum = 512;

size_t pieces(size_t count, size_t perPiece) { return (count + perPiece - 1) / perPiece; }

/// Adds one row of partial sums [3, columns].
void mergeSums(const double* part, size_t columns, std::span<double> sums) {
  for (size_t i = 0; i < 2 * columns; ++i) sums[i] += part[i];
  for (size_t i = 2 * columns; i < 3 * columns; ++i) {
    if (!(part[i] <= sums[i]) && !std::isnan(sums[i])) sums[i] = part[i];
  }
}

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

void addColumnSums(std::span<const float> values, size_t columns, std::span<double> sums, CancelFlag cancelled) {
  const size_t rows = rowsOf(values, columns);
  requireLength("sums", sums.size(), 3 * columns);
  const size_t bands = pieces(rows, kRowsPerSum);
  const size_t blocks = pieces(columns, ColumnBlock::kColumns);
  std::vector<double> parts(bands * 3 * columns);
  overRows(bands * blocks, 1, cancelled, [&](size_t piece, size_t) {
    const size_t row = piece / blocks * kRowsPerSum;
    const size_t column = piece % blocks * ColumnBlock::kColumns;
    double* part = parts.data() + piece / blocks * 3 * columns + column;
    kernels().addColumns({values.data() + row * columns + column, std::min(kRowsPerSum, rows - row), columns,
                          std::min(ColumnBlock::kColumns, columns - column), part, part + columns, part + 2 * columns});
  });
  for (size_t band = 0; band < bands; ++band) mergeSums(parts.data() + band * 3 * columns, columns, sums);
}

void addGram(std::span<const float> values, size_t columns, size_t firstColumn, size_t count, std::span<float> target,
             CancelFlag cancelled) {
  const size_t rows = rowsOf(values, columns);
  if (firstColumn > columns || count > columns - firstColumn) {
    fail("columns " + std::to_string(firstColumn) + " to " + std::to_string(firstColumn + count) + " are not among the " +
         std::to_string(columns) + " of the matrix");
  }
  requireLength("target", target.size(), count * columns);
  const size_t across = pieces(columns, GramTile::kRight);
  overRows(pieces(count, GramTile::kLeft) * across, 1, cancelled, [&](size_t piece, size_t) {
    thread_local std::vector<float> workspace(GramTile::kWorkspace);
    const size_t left = piece / across * GramTile::kLeft;
    const size_t right = piece % across * GramTile::kRight;
    kernels().addGram({values.data(), rows, columns, firstColumn + left, std::min(GramTile::kLeft, count - left), right,
                       std::min(GramTile::kRight, columns - right), target.data() + left * columns + right, columns,
                       workspace.data()});
  });
}

double copyBandwidth(size_t bytes) {
  constexpr size_t kLeast = size_t{1} << 20;
  constexpr size_t kMost = size_t{1} << 40;
  constexpr int kRounds = 6;
  if (bytes < kLeast || bytes > kMost) fail(std::to_string(bytes) + " bytes are no size to measure copying with");
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
