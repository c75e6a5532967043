#include "grid_operations.h"

#include <algorithm>

#include "first_bad.h"

namespace qs {
namespace {

void checkMatrix(const WeightGrid& grid, size_t weights, const GroupedMatrix& matrix, const ParameterView& parameters) {
  if (matrix.groupRows == 0 || matrix.groupColumns == 0) fail("a group has no weights");
  requireLength("the matrix", weights, product(matrix.rows, matrix.columns));
  requireLength("scales", parameters.scales.size(), matrix.groups());
  requireLength("zeros", parameters.zeros.size(), grid.zero == ZeroKind::None ? 0 : matrix.groups());
  if (!parameters.inverses.empty()) requireLength("inverses", parameters.inverses.size(), matrix.groups());
}

/// A part of a row, from the start of a group on.
struct Segment {
  size_t row;
  size_t column;
  size_t columns;
};

/// Cuts a matrix into segments of whole groups of about a piece and runs them over the pool.
template <typename Work>
void overSegments(const GroupedMatrix& matrix, CancelFlag cancelled, const Work& work) {
  const size_t perSegment = std::max<size_t>(1, kPieceWeights / matrix.groupColumns) * matrix.groupColumns;
  const size_t segments = (matrix.columns + perSegment - 1) / perSegment;
  const size_t perPiece = rowsPerPiece(std::min(matrix.columns, perSegment));
  overRows(matrix.rows * segments, perPiece, cancelled, [&](size_t first, size_t count) {
    for (size_t index = first; index < first + count; ++index) {
      const size_t column = index % segments * perSegment;
      if (!work(Segment{index / segments, column, std::min(perSegment, matrix.columns - column)})) return;
    }
  });
}

ParameterTarget targetOf(const ParameterView& parameters) {
  const auto dataOf = [](std::span<float> values) { return values.empty() ? nullptr : values.data(); };
  return {parameters.scales.data(), dataOf(parameters.zeros), dataOf(parameters.inverses)};
}

GridRow rowOf(const GroupedMatrix& matrix, const ParameterView& parameters, const Segment& segment) {
  const size_t first = segment.row / matrix.groupRows * matrix.across() + segment.column / matrix.groupColumns;
  const ParameterTarget own = targetOf(parameters);
  return {segment.columns,
          matrix.groupColumns,
          own.scales + first,
          own.zeros == nullptr ? nullptr : own.zeros + first,
          own.inverses == nullptr ? nullptr : own.inverses + first,
          parameters.globalScale};
}

void checkSearch(const GroupedMatrix& matrix, std::span<const float> importance, std::span<const float> factors) {
  if (factors.size() > ClipSearch::kMostFactors) fail("there are more than 256 factors");
  for (const float factor : factors) {
    if (!(factor > 0.0f && factor <= 2.0f)) fail("a factor of a range is not between 0 and 2");
  }
  if (importance.empty()) return;
  // Rows of the tensor follow each other in the one row of its flattened weights.
  const bool isFlat = matrix.rows == 1 && matrix.columns % importance.size() == 0;
  if (!isFlat) requireLength("importance", importance.size(), matrix.columns);
  requireImportance(importance);
}

void join(GroupSpan& all, const GroupSpan& row) {
  all.min = std::min(all.min, row.min);
  all.max = std::max(all.max, row.max);
}

GroupSpan spanOfGroup(std::span<const float> source, const GroupedMatrix& matrix, size_t group) {
  const size_t row = group / matrix.across() * matrix.groupRows;
  const size_t column = group % matrix.across() * matrix.groupColumns;
  const size_t rows = std::min(matrix.groupRows, matrix.rows - row);
  const size_t columns = std::min(matrix.groupColumns, matrix.columns - column);
  GroupSpan all = kernels().spanOfWeights(source.data() + row * matrix.columns + column, columns);
  for (size_t r = row + 1; r < row + rows; ++r) {
    join(all, kernels().spanOfWeights(source.data() + r * matrix.columns + column, columns));
  }
  return all;
}

}  // namespace

void findParameters(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    std::optional<GroupSpan> range, ParameterView target, CancelFlag cancelled) {
  checkMatrix(grid, source.size(), matrix, target);
  if (range && matrix.groups() > 1) fail("a range was given for several groups");
  const size_t weights = std::min(matrix.groupRows, matrix.rows) * std::min(matrix.groupColumns, matrix.columns);
  const size_t perPiece = std::max<size_t>(1, kPieceWeights / std::max<size_t>(1, weights));
  overRows(matrix.groups(), perPiece, cancelled, [&](size_t first, size_t count) {
    for (size_t group = first; group < first + count; ++group) {
      const GroupSpan span = range ? *range : spanOfGroup(source, matrix, group);
      targetOf(target).set(group, parametersOf(grid, span, target.globalScale));
    }
  });
}

BadWeight findClippedParameters(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                                std::span<const float> importance, std::span<const float> factors, ParameterView target,
                                CancelFlag cancelled) {
  checkMatrix(grid, source.size(), matrix, target);
  checkSearch(matrix, importance, factors);
  FirstBad bad;
  overRows(matrix.rows, rowsPerPiece(matrix.columns), cancelled, [&](size_t first, size_t count) {
    bad.check(source.subspan(first * matrix.columns, count * matrix.columns), first * matrix.columns);
  });
  if (bad.found().kind != BadWeight::Kind::None) return bad.found();
  const ClipSearch search{matrix, source.data(), importance, factors, target.globalScale};
  // A search tries every factor on every weight.
  const size_t weights = matrix.groupRows * matrix.groupColumns;
  const size_t perPiece = std::max<size_t>(1, kPieceWeights / 16 / std::max<size_t>(1, weights));
  overRows(matrix.groups(), perPiece, cancelled, [&](size_t first, size_t count) {
    kernels().searchClips(grid, search, first, count, targetOf(target));
  });
  return {};
}

BadWeight findCodes(const WeightGrid& grid, std::span<const float> source, const GroupedMatrix& matrix,
                    ParameterView parameters, std::span<uint8_t> codes, CancelFlag cancelled) {
  checkMatrix(grid, source.size(), matrix, parameters);
  requireLength("codes", codes.size(), source.size());
  FirstBad bad;
  overSegments(matrix, cancelled, [&](const Segment& segment) {
    const size_t at = segment.row * matrix.columns + segment.column;
    if (bad.check(source.subspan(at, segment.columns), at)) return false;
    kernels().encodeGridRow(grid, source.data() + at, rowOf(matrix, parameters, segment), codes.data() + at);
    return true;
  });
  return bad.found();
}

void findWeights(const WeightGrid& grid, std::span<const uint8_t> codes, const GroupedMatrix& matrix,
                 ParameterView parameters, std::span<const int32_t> groupOfColumn, std::span<float> target,
                 CancelFlag cancelled) {
  checkMatrix(grid, codes.size(), matrix, parameters);
  requireLength("the target", target.size(), codes.size());
  if (groupOfColumn.empty()) {
    overSegments(matrix, cancelled, [&](const Segment& segment) {
      const size_t at = segment.row * matrix.columns + segment.column;
      kernels().decodeGridRow(grid, codes.data() + at, rowOf(matrix, parameters, segment), target.data() + at);
      return true;
    });
    return;
  }
  requireLength("groups of columns", groupOfColumn.size(), matrix.columns);
  for (const int32_t group : groupOfColumn) {
    if (group < 0 || static_cast<size_t>(group) >= matrix.across()) fail("a column has a group that does not exist");
  }
  overRows(matrix.rows, rowsPerPiece(matrix.columns), cancelled, [&](size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row) {
      const size_t at = row * matrix.columns;
      kernels().decodePermutedRow(grid, codes.data() + at, rowOf(matrix, parameters, {row, 0, matrix.columns}),
                                  groupOfColumn.data(), target.data() + at);
    }
  });
}

}  // namespace qs
