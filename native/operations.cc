#include "operations.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "first_bad.h"
#include "kernels/validity.h"

namespace qs {
namespace {

// Weights that the fused pass holds at a time, once as the source has them and once decoded: half of an L2 cache.
constexpr size_t kChunkWeights = size_t{1} << 14;

void requireEncoder(const Codec& codec) {
  if (codec.encode == nullptr) fail(std::string("there is no encoder for ") + codec.name);
}

void requireWholeBlocks(const Codec& codec, size_t columns) {
  if (columns % codec.block == 0) return;
  fail("the row length (" + std::to_string(columns) + ") is not a multiple of the block size of " + codec.name + " (" +
       std::to_string(codec.block) + ")");
}

/// Importance weights that the format takes: one per column, finite and not negative.
const float* checkedImportance(const Codec& codec, size_t columns, std::span<const float> importance) {
  const Importance wanted = codec.importance;
  if (importance.empty()) {
    if (wanted == Importance::Required) {
      fail(std::string(codec.name) + " needs importance weights (an imatrix) and cannot be encoded without them");
    }
    return nullptr;
  }
  requireLength("importance", importance.size(), columns);
  requireImportance(importance);
  return wanted == Importance::Unused ? nullptr : importance.data();
}

/// Wide stores that straddle cache lines halve the speed of a memory-bound decoder, so an unaligned target is filled through
/// an aligned buffer.
void decodeAligned(const Codec& codec, const uint8_t* in, float* y, size_t n) {
  constexpr size_t kAlignment = 64;
  constexpr size_t kBuffer = 4096;
  const size_t misaligned = reinterpret_cast<uintptr_t>(y) % kAlignment;
  if (misaligned == 0) return codec.decode(in, y, n);
  if (codec.block == 1) {
    const size_t head = std::min(n, (kAlignment - misaligned) / sizeof(float));
    codec.decode(in, y, head);
    return codec.decode(in + head * codec.bytes, y + head, n - head);
  }
  alignas(kAlignment) float buffer[kBuffer];
  for (size_t done = 0; done < n; done += kBuffer) {
    const size_t count = std::min(kBuffer, n - done);
    codec.decode(in + done / codec.block * codec.bytes, buffer, count);
    kernels().copyWeights(y + done, buffer, count);
  }
}

/// Blocks without importance weights do not depend on the rows. They are checked and encoded in slices that fit the L1 cache,
/// so that memory is read once.
void encodeBlocks(const Codec& codec, std::span<const float> weights, size_t offset, uint8_t* codes, FirstBad& bad) {
  constexpr size_t kSlice = 4096;
  for (size_t done = 0; done < weights.size(); done += kSlice) {
    const auto slice = weights.subspan(done, std::min(kSlice, weights.size() - done));
    if (bad.check(slice, offset + done)) return;
    codec.encode(slice.data(), codes + done / codec.block * codec.bytes, {1, slice.size(), nullptr});
  }
}

/// Memory of one thread for the fused pass, kept between calls.
struct Workspace {
  std::vector<float> weights;
  std::vector<float> decoded;
  std::vector<uint8_t> codes;
};

Workspace& workspace() {
  thread_local Workspace mine;
  return mine;
}

}  // namespace

void requireImportance(std::span<const float> importance) {
  for (size_t i = 0; i < importance.size(); ++i) {
    if (!(importance[i] >= 0.0f && std::isfinite(importance[i]))) {
      fail("importance weight " + std::to_string(i) + " is negative or not finite");
    }
  }
}

void decodeTensor(const Codec& codec, std::span<const uint8_t> source, std::span<float> target, CancelFlag cancelled) {
  if (target.size() % codec.block != 0) fail("the target does not hold whole blocks");
  const size_t blocks = target.size() / codec.block;
  requireLength("source", source.size(), blocks * codec.bytes);
  const size_t perPiece = std::max<size_t>(1, kPieceWeights / codec.block);
  overRows(blocks, perPiece, cancelled, [&](size_t first, size_t count) {
    decodeAligned(codec, source.data() + first * codec.bytes, target.data() + first * codec.block, count * codec.block);
  });
}

BadWeight encodeRows(const Codec& codec, std::span<const float> source, size_t columns, std::span<const float> importance,
                     std::span<uint8_t> target, CancelFlag cancelled) {
  const size_t rows = rowsOf(source, columns);
  requireEncoder(codec);
  requireWholeBlocks(codec, columns);
  const size_t rowBytes = columns / codec.block * codec.bytes;
  requireLength("codes", target.size(), rows * rowBytes);
  const float* columnWeights = checkedImportance(codec, columns, importance);
  FirstBad bad;
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t first, size_t count) {
    const size_t offset = first * columns;
    const auto some = source.subspan(offset, count * columns);
    uint8_t* codes = target.data() + first * rowBytes;
    if (columnWeights == nullptr) return encodeBlocks(codec, some, offset, codes, bad);
    if (!bad.check(some, offset)) codec.encode(some.data(), codes, {count, columns, columnWeights});
  });
  return bad.found();
}

Measured measureRows(const Codec& codec, std::span<const uint8_t> source, const Codec& type, size_t columns,
                     std::span<const float> importance, const Histogram& histogram, CancelFlag cancelled) {
  if (columns == 0) fail("a row has no weights");
  requireEncoder(type);
  requireWholeBlocks(codec, columns);
  requireWholeBlocks(type, columns);
  const size_t rowBytes = columns / codec.block * codec.bytes;
  if (source.size() % rowBytes != 0) fail("the source does not hold whole rows");
  const size_t rows = source.size() / rowBytes;
  const float* columnWeights = checkedImportance(type, columns, importance);
  const size_t perPiece = rowsPerPiece(columns);
  const size_t perChunk = std::min(perPiece, std::max<size_t>(1, kChunkWeights / columns));
  const std::span<double> counts = histogram.counts;
  std::vector<ErrorSums> parts((rows + perPiece - 1) / perPiece);
  std::vector<std::vector<double>> histograms(counts.empty() ? 0 : parts.size());
  FirstBad bad;
  overRows(rows, perPiece, cancelled, [&](size_t first, size_t count) {
    const size_t piece = first / perPiece;
    Workspace& mine = workspace();
    mine.weights.resize(perChunk * columns);
    mine.decoded.resize(perChunk * columns);
    mine.codes.resize(perChunk * columns / type.block * type.bytes);
    if (!counts.empty()) histograms[piece].resize(counts.size());
    for (size_t done = 0; done < count; done += perChunk) {
      const size_t some = std::min(perChunk, count - done);
      const size_t row = first + done;
      const size_t weights = some * columns;
      codec.decode(source.data() + row * rowBytes, mine.weights.data(), weights);
      if (bad.check({mine.weights.data(), weights}, row * columns)) return;
      type.encode(mine.weights.data(), mine.codes.data(), {some, columns, columnWeights});
      decodeAligned(type, mine.codes.data(), mine.decoded.data(), weights);
      parts[piece].add(kernels().errorSums(mine.weights.data(), mine.decoded.data(), weights));
      if (counts.empty()) continue;
      addToHistogram(mine.decoded.data(), weights, histogram.min, histogram.max, histograms[piece]);
    }
  });
  Measured total{{}, bad.found()};
  if (total.bad.kind != BadWeight::Kind::None) return total;
  for (const ErrorSums& part : parts) total.sums.add(part);
  for (const auto& found : histograms) {
    for (size_t bin = 0; bin < counts.size(); ++bin) counts[bin] += found[bin];
  }
  return total;
}

MeasuredRange measureRange(const Codec& codec, std::span<const uint8_t> source, CancelFlag cancelled) {
  if (source.size() % codec.bytes != 0) fail("the source does not hold whole blocks");
  constexpr size_t kSlice = 4096;
  const size_t blocks = source.size() / codec.bytes;
  const size_t perPiece = std::max<size_t>(1, kPieceWeights / codec.block);
  std::vector<Extremes> parts((blocks + perPiece - 1) / perPiece);
  FirstBad bad;
  overRows(blocks, perPiece, cancelled, [&](size_t first, size_t count) {
    alignas(64) float weights[kSlice];
    const size_t end = (first + count) * codec.block;
    for (size_t start = first * codec.block; start < end; start += kSlice) {
      const size_t n = std::min(kSlice, end - start);
      codec.decode(source.data() + start / codec.block * codec.bytes, weights, n);
      bad.check({weights, n}, start);
      parts[first / perPiece].add(weights, n);
    }
  });
  MeasuredRange total{{}, bad.found()};
  for (const Extremes& part : parts) total.range.add(part);
  return total;
}

BadWeight recodeRows(const Codec& from, std::span<const uint8_t> source, const Codec& to, size_t columns, float shift,
                     std::span<const float> importance, std::span<uint8_t> target, CancelFlag cancelled) {
  if (columns == 0) fail("a row has no weights");
  const bool toFloats = std::string_view(to.name) == "F32";
  if (!toFloats) requireEncoder(to);
  requireWholeBlocks(from, columns);
  requireWholeBlocks(to, columns);
  const size_t rowBytes = columns / from.block * from.bytes;
  if (source.size() % rowBytes != 0) fail("the source does not hold whole rows");
  const size_t rows = source.size() / rowBytes;
  const size_t targetRowBytes = columns / to.block * to.bytes;
  requireLength("target", target.size(), rows * targetRowBytes);
  const float* columnWeights = checkedImportance(to, columns, importance);
  // The encoder needs whole rows only if columns have importance weights; otherwise any whole blocks will do.
  constexpr size_t kSlice = 4096;
  const size_t perChunk = columnWeights ? std::max<size_t>(1, kChunkWeights / columns) * columns : kSlice;
  FirstBad bad;
  overRows(rows, rowsPerPiece(columns), cancelled, [&](size_t firstRow, size_t count) {
    std::vector<float>& weights = workspace().weights;
    weights.resize(std::max(weights.size(), perChunk));
    const size_t end = (firstRow + count) * columns;
    for (size_t start = firstRow * columns; start < end; start += perChunk) {
      const size_t n = std::min(perChunk, end - start);
      from.decode(source.data() + start / from.block * from.bytes, weights.data(), n);
      if (shift != 0.0f) {
        for (size_t i = 0; i < n; ++i) weights[i] += shift;
      }
      if (bad.check({weights.data(), n}, start)) return;
      uint8_t* out = target.data() + start / to.block * to.bytes;
      if (toFloats) {
        std::memcpy(out, weights.data(), n * sizeof(float));
        continue;
      }
      to.encode(weights.data(), out, columnWeights ? Rows{n / columns, columns, columnWeights} : Rows{1, n, nullptr});
      const size_t block = firstInvalidBlock(to, out, n / to.block);
      if (block < n / to.block) return bad.report(BadWeight::Kind::TooLarge, start + block * to.block);
    }
  });
  return bad.found();
}

BadWeight checkBlocks(const Codec& codec, std::span<const uint8_t> source, CancelFlag cancelled) {
  if (source.size() % codec.bytes != 0) fail("the source does not hold whole blocks");
  FirstBad bad;
  overRows(source.size() / codec.bytes, std::max<size_t>(1, kPieceWeights / codec.block), cancelled,
           [&](size_t first, size_t count) {
             const size_t block = firstInvalidBlock(codec, source.data() + first * codec.bytes, count);
             if (block < count) bad.report(BadWeight::Kind::InBlock, (first + block) * codec.block);
           });
  return bad.found();
}

ErrorSums sumErrors(std::span<const float> source, std::span<const float> decoded) {
  requireLength("decoded", decoded.size(), source.size());
  std::vector<ErrorSums> parts((source.size() + kPieceWeights - 1) / kPieceWeights);
  overRows(source.size(), kPieceWeights, nullptr, [&](size_t first, size_t count) {
    parts[first / kPieceWeights] = kernels().errorSums(source.data() + first, decoded.data() + first, count);
  });
  ErrorSums total;
  for (const ErrorSums& part : parts) total.add(part);
  return total;
}

void histogramOf(std::span<const float> values, float min, float max, std::span<double> counts) {
  if (counts.empty()) fail("a histogram needs at least one bin");
  addToHistogram(values.data(), values.size(), min, max, counts);
}

}  // namespace qs
