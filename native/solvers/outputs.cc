#include "outputs.h"

#include <vector>

#include "../kernels/kernels.h"

namespace qs {
namespace {

/// Tokens [first, first + kPanel) of some inputs as float64 `[columns, kPanel]`, with zeros after the last token.
void convertTokens(std::span<const float> inputs, size_t columns, size_t first, double* panel) {
  const size_t tokens = inputs.size() / columns;
  for (size_t t = 0; t < kPanel; ++t) {
    const float* row = inputs.data() + (first + t) * columns;
    for (size_t c = 0; c < columns; ++c) panel[c * kPanel + t] = first + t < tokens ? static_cast<double>(row[c]) : 0.0;
  }
}

/// What a replacement changes in at most kPanel rows, with zeros after the last one.
std::vector<double> differencesOf(const Replacement& replacement, size_t first, size_t height) {
  const auto& [weights, others, scales, columns] = replacement;
  std::vector<double> rows(kPanel * columns);
  for (size_t i = 0; i < height; ++i) {
    for (size_t c = 0; c < columns; ++c) {
      const size_t at = (first + i) * columns + c;
      const double other = static_cast<double>(others[at]);
      const double value = scales.empty() ? other : other / static_cast<double>(scales[c]);
      rows[i * columns + c] = value - static_cast<double>(weights[at]);
    }
  }
  return rows;
}

/// Adds the squared outputs of some tokens to the errors of `height` rows.
void addSquares(Factors rows, const double* panel, size_t columns, size_t height, double* errors, size_t groups) {
  alignas(64) double outputs[kPanel * kPanel] = {};
  kernels().addProducts(outputs, kPanel, rows, panel, columns);
  for (size_t i = 0; i < height; ++i) {
    double sum = 0.0;
    for (size_t t = 0; t < kPanel; ++t) sum += outputs[i * kPanel + t] * outputs[i * kPanel + t];
    errors[i * groups] += sum;
  }
}

}  // namespace

void outputErrors(const Replacement& replacement, std::span<const float> inputs, size_t group, std::span<double> errors,
                  CancelFlag cancelled) {
  const size_t columns = replacement.columns;
  const size_t rows = rowsOf(replacement.weights, columns);
  requireLength("others", replacement.others.size(), replacement.weights.size());
  if (!replacement.scales.empty()) requireLength("scales", replacement.scales.size(), columns);
  const size_t tokens = rowsOf(inputs, columns);
  if (group == 0) fail("a group has no columns");
  const size_t groups = (columns + group - 1) / group;
  requireLength("errors", errors.size(), rows * groups);
  const size_t panels = (tokens + kPanel - 1) / kPanel;
  std::vector<double> converted(panels * columns * kPanel);
  const auto panel = [&](size_t index) { return converted.data() + index * columns * kPanel; };
  overRows(panels, 1, cancelled, [&](size_t index, size_t) { convertTokens(inputs, columns, index * kPanel, panel(index)); });
  overRows(rows, kPanel, cancelled, [&](size_t first, size_t height) {
    const std::vector<double> some = differencesOf(replacement, first, height);
    std::fill_n(errors.data() + first * groups, height * groups, 0.0);
    for (size_t index = 0; index < panels; ++index) {
      for (size_t g = 0; g < groups; ++g) {
        const size_t start = g * group;
        addSquares({some.data() + start, columns, 1}, panel(index) + start * kPanel, std::min(group, columns - start), height,
                   errors.data() + first * groups + g, groups);
      }
    }
  });
}

void scaleColumns(std::span<const float> source, std::span<const float> scales, std::span<float> target, CancelFlag cancelled) {
  const size_t columns = scales.size();
  const size_t rows = rowsOf(source, columns);
  requireLength("target", target.size(), source.size());
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row) {
      for (size_t c = 0; c < columns; ++c) target[row * columns + c] = source[row * columns + c] * scales[c];
    }
  });
}

}  // namespace qs
