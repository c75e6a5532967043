#pragma once
// Operations on whole matrices: they check lengths, cut rows into pieces and run the kernels on the thread pool. No N-API here.
#include <span>

#include "kernels/kernels.h"
#include "kernels/scan.h"
#include "rows.h"

namespace qs {

struct EncodedView {
  std::span<uint8_t> codes;
  std::span<float> scales;
  std::span<float> zeros;
};

// Why weights cannot be used, and the index of the first bad one.
struct BadWeight {
  enum class Kind { None, NotANumber, Infinite, TooLarge, InBlock };
  Kind kind = Kind::None;
  size_t index = 0;
};

void decodeTensor(const Codec& codec, std::span<const uint8_t> source, std::span<float> target, CancelFlag cancelled);
// `importance` is empty or has one weight per column. Stops at weights that are not finite; the output is then
// invalid.
BadWeight encodeRows(const Scheme& scheme, std::span<const float> source, size_t columns, Range range,
                     std::span<const float> importance, EncodedView target, CancelFlag cancelled);
void decodeRows(const Scheme& scheme, EncodedView source, size_t columns, std::span<float> target, CancelFlag cancelled);

struct Measured {
  ErrorSums sums;
  BadWeight bad;  // when there is one, the sums are invalid
};
// Decodes rows of the source, encodes and decodes them in the scheme and sums the errors, a chunk at a time. The decoded
// weights are also counted into `counts` (equal bins over the range) unless that is empty. Stops at weights that are not finite.
Measured measureRows(const Codec& codec, std::span<const uint8_t> source, const Scheme& scheme, size_t columns, Range range,
                     std::span<const float> importance, std::span<double> counts, CancelFlag cancelled);

struct MeasuredRange {
  Extremes range;
  BadWeight bad;  // the first weight that is not finite; the range is that of the others
};
// Decodes blocks a few thousand weights at a time and finds their extremes.
MeasuredRange measureRange(const Codec& codec, std::span<const uint8_t> source, CancelFlag cancelled);

// Decodes whole rows, adds `shift` to each weight and encodes them in another type; a fused pass that holds a few thousand
// weights per thread at a time. Stops at weights that are not finite, or too large for the type's scales.
BadWeight recodeRows(const Codec& from, std::span<const uint8_t> source, const Codec& to, size_t columns, float shift,
                     std::span<const float> importance, std::span<uint8_t> target, CancelFlag cancelled);
// The first weight of the first block that does not decode to finite numbers.
BadWeight checkBlocks(const Codec& codec, std::span<const uint8_t> source, CancelFlag cancelled);

ErrorSums sumErrors(std::span<const float> source, std::span<const float> decoded);
void histogramOf(std::span<const float> values, float min, float max, std::span<double> counts);
// Both take the next weights of the matrix in row-major order, which need not be whole rows.
void scanFirst(Scan& scan, std::span<const float> values, CancelFlag cancelled);
void scanSecond(Scan& scan, std::span<const float> values, CancelFlag cancelled);

}  // namespace qs
