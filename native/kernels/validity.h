#pragma once
// Whether encoded weights can be decoded to finite numbers: by the exponents of each block's scales.
#include <cstddef>
#include <cstdint>

#include "codec.h"

namespace qs {

/// Index of the first block that holds a NaN or an infinity, or `blocks`. Types without such numbers have none.
size_t firstInvalidBlock(const Codec& codec, const uint8_t* data, size_t blocks);

}  // namespace qs
