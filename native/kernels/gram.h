#pragma once
// Products of the columns of a matrix: XᵀX, a tile at a time (GramTile in measures.h).
#include "measures.h"
#include "simd/vector.h"

namespace qs::QS_TARGET {

void addGram(const GramTile& tile);

}  // namespace qs::QS_TARGET
