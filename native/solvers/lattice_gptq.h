#pragma once
// GPTQ for types whose weights lie on lattices: eight columns at a time.
#include <span>
#include <string_view>

#include "gptq.h"

namespace qs {

/// As quantizeColumns for blocks of a lattice type whose scales are known: eight weights at a time get the point and the signs of least output
/// error, all columns after them being free to make up for it. IQ1_S keeps its shifts. Columns are whole super-blocks in their own order.
/// @param blocks of whole rows; those of the positions get their points.
void quantizeLattices(const ColumnState& state, std::string_view type, size_t first, size_t count, std::span<uint8_t> blocks,
                      CancelFlag cancelled);

}  // namespace qs
