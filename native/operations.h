#pragma once
// Operations on whole matrices: they check lengths, cut rows into pieces and run the kernels on the thread pool. No N-API here.
#include <span>

#include "kernels/kernels.h"
#include "rows.h"

namespace qs {

// Why weights cannot be used, and the index of the first bad one.
struct BadWeight {
  enum class Kind { None, NotANumber, Infinite, TooLarge, InBlock };
  Kind kind = Kind::None;
  size_t index = 0;
};

// Importance weights must be finite and not negative.
void requireImportance(std::span<const float> importance);

void decodeTensor(const Codec& codec, std::span<const uint8_t> source, std::span<float> target, CancelFlag cancelled);
// `importance` is empty or has one weight per column. Stops at weights that are not finite; the output is then
// invalid.
BadWeight encodeRows(const Codec& codec, std::span<const float> source, size_t columns, std::span<const float> importance,
                     std::span<uint8_t> target, CancelFlag cancelled);

struct Measured {
  ErrorSums sums;
  BadWeight bad;  // when there is one, the sums are invalid
};
// Equal bins over [min, max] that decoded weights are counted into; none where `counts` is empty.
struct Histogram {
  float min = 0.0f;
  float max = 0.0f;
  std::span<double> counts;
};
// Decodes rows of the source, encodes and decodes them in a type and sums the errors, a chunk at a time. Stops at weights that
// are not finite.
Measured measureRows(const Codec& codec, std::span<const uint8_t> source, const Codec& type, size_t columns,
                     std::span<const float> importance, const Histogram& histogram, CancelFlag cancelled);

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

}  // namespace qs
