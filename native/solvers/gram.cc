#include "gram.h"

#include <vector>

#include "../kernels/kernels.h"

namespace qs {
namespace {

constexpr size_t kTokens = 256;  // converted to float64 at a time

/// Columns [first, first + kPanel) of some rows as float64 `[tokens, kPanel]`, with zeros after the last column.
void convertPanel(std::span<const float> rows, size_t columns, size_t first, double* panel) {
  const size_t width = std::min(kPanel, columns - first);
  for (size_t t = 0; t < rows.size() / columns; ++t) {
    const float* row = rows.data() + t * columns + first;
    for (size_t j = 0; j < kPanel; ++j) panel[t * kPanel + j] = j < width ? static_cast<double>(row[j]) : 0.0;
  }
}

/// Adds a block of products and its mirror image.
void addBlock(const double* left, const double* right, size_t tokens, size_t top, size_t side, size_t columns,
              std::span<double> gram) {
  const size_t height = std::min(kPanel, columns - top);
  const size_t width = std::min(kPanel, columns - side);
  alignas(64) double sums[kPanel * kPanel] = {};
  for (size_t i = 0; i < height; ++i) {
    for (size_t j = 0; j < width; ++j) sums[i * kPanel + j] = gram[(top + i) * columns + side + j];
  }
  kernels().addProducts(sums, kPanel, {left, 1, kPanel}, right, tokens);
  for (size_t i = 0; i < height; ++i) {
    for (size_t j = 0; j < width; ++j) {
      gram[(top + i) * columns + side + j] = sums[i * kPanel + j];
      gram[(side + j) * columns + top + i] = sums[i * kPanel + j];
    }
  }
}

/// Panel pairs (top ≤ side) in the order of their index.
struct Pair {
  size_t top;
  size_t side;
};

std::vector<Pair> pairsOf(size_t panels) {
  std::vector<Pair> pairs;
  for (size_t side = 0; side < panels; ++side) {
    for (size_t top = 0; top <= side; ++top) pairs.push_back({top, side});
  }
  return pairs;
}

}  // namespace

void accumulateGram(std::span<const float> rows, size_t columns, std::span<double> gram, CancelFlag cancelled) {
  const size_t tokens = rowsOf(rows, columns);
  requireLength("gram", gram.size(), product(columns, columns));
  const size_t panels = (columns + kPanel - 1) / kPanel;
  const std::vector<Pair> pairs = pairsOf(panels);
  std::vector<double> converted(panels * std::min(tokens, kTokens) * kPanel);
  for (size_t done = 0; done < tokens; done += kTokens) {
    const size_t count = std::min(kTokens, tokens - done);
    const auto some = rows.subspan(done * columns, count * columns);
    const auto panel = [&](size_t index) { return converted.data() + index * count * kPanel; };
    overRows(panels, 1, cancelled, [&](size_t index, size_t) { convertPanel(some, columns, index * kPanel, panel(index)); });
    overRows(pairs.size(), 1, cancelled, [&](size_t index, size_t) {
      const auto [top, side] = pairs[index];
      addBlock(panel(top), panel(side), count, top * kPanel, side * kPanel, columns, gram);
    });
  }
}

}  // namespace qs
