#pragma once
// The values of the codes of dtypes that hold one number per weight in at most 16 bits.
#include <cstdint>
#include <vector>

#include "../kernels/codec.h"

namespace qs {

struct CodeTable {
  std::vector<float> values;        // of each code
  std::vector<uint16_t> ascending;  // codes of the finite values, in the order of these
};

inline bool isCoded(const Codec& codec) { return codec.block == 1 && codec.bytes <= 2; }

/// Computed once for each dtype.
const CodeTable& codeTableOf(const Codec& codec);

/// Unsigned keys that sort like the floats.
uint32_t sortKey(float value);

}  // namespace qs
