#include "operations.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pool.h"

namespace qs {
namespace {

// Weights per piece: large enough to hide the scheduling, small enough to cancel within milliseconds.
constexpr size_t kPieceWeights = size_t{1} << 16;
// Pieces of one call of a scan: each carries its own counters, merged in order.
constexpr size_t kScanPieces = 8;

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

void requireLength(const char* what, size_t given, size_t needed) {
  if (given != needed) {
    fail(std::string(what) + " has " + std::to_string(given) + " elements where " + std::to_string(needed) + " are needed");
  }
}

size_t rowsPerPiece(size_t columns) { return std::max<size_t>(1, kPieceWeights / std::max<size_t>(1, columns)); }

template <typename Work>
void overRows(size_t rows, size_t perPiece, CancelFlag cancelled, const Work& work) {
  const size_t pieces = (rows + perPiece - 1) / perPiece;
  const bool complete = Pool::shared().run(
      pieces,
      [&](size_t piece) {
        const size_t first = piece * perPiece;
        work(first, std::min(perPiece, rows - first));
      },
      cancelled);
  if (!complete) throw Cancelled();
}

size_t rowsOf(std::span<const float> values, size_t columns) {
  if (columns == 0 || values.size() % columns != 0) {
    fail(std::to_string(values.size()) + " weights are not whole rows of " + std::to_string(columns));
  }
  return values.size() / columns;
}

void refuseNonFinite(std::span<const float> source) {
  const size_t index = firstNonFinite(source.data(), source.size());
  if (index < source.size()) {
    const char* kind = std::isnan(source[index]) ? "NaN" : "an infinity";
    fail("weight " + std::to_string(index) + " is " + kind);
  }
}

struct Layout {
  size_t rows;
  size_t rowBytes;
  size_t groups;  // scales per row; 0 for a scale of the whole tensor
};

Layout layoutOf(const Scheme& scheme, size_t rows, size_t columns, const EncodedView& view) {
  if (scheme.kind == SchemeKind::Ggml) {
    const Codec& codec = codecs()[static_cast<size_t>(scheme.ggmlType)];
    if (columns % codec.block != 0) {
      fail("rows of " + std::to_string(columns) + " weights are not a multiple of the block of " + std::to_string(codec.block));
    }
    const Layout layout{rows, columns / codec.block * codec.bytes, 0};
    requireLength("codes", view.codes.size(), rows * layout.rowBytes);
    return layout;
  }
  const bool perTensor = scheme.kind != SchemeKind::Nf4 && scheme.group == kGroupTensor;
  const Layout layout{rows, schemeRowBytes(scheme, columns), perTensor ? 0 : groupsPerRow(scheme, columns)};
  requireLength("codes", view.codes.size(), rows * layout.rowBytes);
  requireLength("scales", view.scales.size(), perTensor ? 1 : rows * layout.groups);
  if (schemeHasZeros(scheme)) requireLength("zeros", view.zeros.size(), view.scales.size());
  return layout;
}

RowView rowOf(const Scheme& scheme, const EncodedView& view, const Layout& layout, size_t row) {
  const size_t offset = row * layout.groups;
  return {view.codes.data() + row * layout.rowBytes, view.scales.data() + offset,
          schemeHasZeros(scheme) ? view.zeros.data() + offset : nullptr};
}

/// A scale of the whole tensor does not depend on the rows: one weight is enough to have it computed.
void writeTensorScale(const Scheme& scheme, Range range, EncodedView target) {
  Scheme single = scheme;
  single.group = kGroupRow;
  const float ends[2] = {range.min, range.max};
  uint8_t codes[2];
  float scale = 0;
  float zero = 0;
  encodeSchemeRow(single, ends, 2, range, {codes, &scale, &zero});
  target.scales[0] = scale;
  if (schemeHasZeros(scheme)) target.zeros[0] = zero;
}

struct Cut {
  size_t pieces;
  size_t perPiece;
};

Cut cutScan(const Scan& scan, std::span<const float> values) {
  const size_t rows = rowsOf(values, scan.options().columns);
  if (scan.rowsSeen() + rows > scan.options().rows) fail("more rows were scanned than the matrix has");
  const size_t perPiece = std::max<size_t>(1, (rows + kScanPieces - 1) / kScanPieces);
  return {(rows + perPiece - 1) / perPiece, perPiece};
}

}  // namespace

void decodeTensor(const Codec& codec, std::span<const uint8_t> source, std::span<float> target, CancelFlag cancelled) {
  if (target.size() % codec.block != 0) fail("the target does not hold whole blocks");
  const size_t blocks = target.size() / codec.block;
  requireLength("source", source.size(), blocks * codec.bytes);
  const size_t perPiece = std::max<size_t>(1, kPieceWeights / codec.block);
  overRows(blocks, perPiece, cancelled, [&](size_t first, size_t count) {
    codec.decode(source.data() + first * codec.bytes, target.data() + first * codec.block, count * codec.block);
  });
}

void encodeRows(const Scheme& scheme, std::span<const float> source, size_t columns, Range range, EncodedView target,
                CancelFlag cancelled) {
  const size_t rows = rowsOf(source, columns);
  const Layout layout = layoutOf(scheme, rows, columns, target);
  refuseNonFinite(source);
  if (scheme.kind != SchemeKind::Ggml && layout.groups == 0) writeTensorScale(scheme, range, target);
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    if (scheme.kind == SchemeKind::Ggml) {
      const Codec& codec = codecs()[static_cast<size_t>(scheme.ggmlType)];
      codec.encode(source.data() + first * columns, target.codes.data() + first * layout.rowBytes, count * columns);
      return;
    }
    for (size_t row = first; row < first + count; ++row) {
      encodeSchemeRow(scheme, source.data() + row * columns, columns, range, rowOf(scheme, target, layout, row));
    }
  });
}

void decodeRows(const Scheme& scheme, EncodedView source, size_t columns, std::span<float> target, CancelFlag cancelled) {
  const size_t rows = rowsOf(target, columns);
  const Layout layout = layoutOf(scheme, rows, columns, source);
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    if (scheme.kind == SchemeKind::Ggml) {
      const Codec& codec = codecs()[static_cast<size_t>(scheme.ggmlType)];
      codec.decode(source.codes.data() + first * layout.rowBytes, target.data() + first * columns, count * columns);
      return;
    }
    for (size_t row = first; row < first + count; ++row) {
      decodeSchemeRow(scheme, rowOf(scheme, source, layout, row), columns, target.data() + row * columns);
    }
  });
}

ErrorSums sumErrors(std::span<const float> source, std::span<const float> decoded) {
  requireLength("decoded", decoded.size(), source.size());
  std::vector<ErrorSums> parts((source.size() + kPieceWeights - 1) / kPieceWeights);
  overRows(source.size(), kPieceWeights, nullptr, [&](size_t first, size_t count) {
    parts[first / kPieceWeights] = errorSums(source.data() + first, decoded.data() + first, count);
  });
  ErrorSums total;
  for (const ErrorSums& part : parts) total.add(part);
  return total;
}

void histogramOf(std::span<const float> values, float min, float max, std::span<double> counts) {
  if (counts.empty()) fail("a histogram needs at least one bin");
  addToHistogram(values.data(), values.size(), min, max, counts.size(), counts.data());
}

void scanFirst(Scan& scan, std::span<const float> values) {
  const size_t columns = scan.options().columns;
  const Cut cut = cutScan(scan, values);
  const size_t rows = values.size() / columns;
  const size_t base = scan.rowsSeen();
  std::vector<FirstPart> parts(cut.pieces);
  overRows(rows, cut.perPiece, nullptr, [&](size_t first, size_t count) {
    parts[first / cut.perPiece] = scan.first(values.data() + first * columns, base + first, count);
  });
  for (const FirstPart& part : parts) scan.merge(part);
  scan.advance(rows);
}

void scanSecond(Scan& scan, std::span<const float> values) {
  scan.turn();
  const size_t columns = scan.options().columns;
  const Cut cut = cutScan(scan, values);
  const size_t rows = values.size() / columns;
  std::vector<SecondPart> parts(cut.pieces);
  overRows(rows, cut.perPiece, nullptr, [&](size_t first, size_t count) {
    parts[first / cut.perPiece] = scan.second(values.data() + first * columns, count);
  });
  for (const SecondPart& part : parts) scan.merge(part);
  scan.advance(rows);
}

}  // namespace qs
