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

/// At most kPanel rows of differences, with zeros after the last one.
std::vector<double> convertRows(std::span<const float> differences, size_t columns) {
  std::vector<double> rows(kPanel * columns);
  for (size_t i = 0; i < differences.size(); ++i) rows[i] = static_cast<double>(differences[i]);
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

void outputErrors(std::span<const float> differences, std::span<const float> inputs, size_t columns, size_t group,
                  std::span<double> errors, CancelFlag cancelled) {
  const size_t rows = rowsOf(differences, columns);
  const size_t tokens = rowsOf(inputs, columns);
  if (group == 0) fail("a group has no columns");
  const size_t groups = (columns + group - 1) / group;
  requireLength("errors", errors.size(), rows * groups);
  const size_t panels = (tokens + kPanel - 1) / kPanel;
  std::vector<double> converted(panels * columns * kPanel);
  const auto panel = [&](size_t index) { return converted.data() + index * columns * kPanel; };
  overRows(panels, 1, cancelled, [&](size_t index, size_t) { convertTokens(inputs, columns, index * kPanel, panel(index)); });
  overRows(rows, kPanel, cancelled, [&](size_t first, size_t height) {
    const std::vector<double> some = convertRows(differences.subspan(first * columns, height * columns), columns);
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

}  // namespace qs
