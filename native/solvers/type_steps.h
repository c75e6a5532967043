#pragma once
// Steps of coordinate descent for any type whose codes can be improved.
#include <memory>
#include <span>
#include <string_view>

#include "block_steps.h"
#include "lattice_steps.h"

namespace qs {

/// Rows of a matrix, `[rows, columns]`, and their blocks.
struct BlockRows {
  std::span<const float> weights;
  std::span<uint8_t> blocks;

  BlockRows some(size_t first, size_t count, size_t columns) const;
};

/// What the steps of a type need, for all rows of a matrix.
class TypeSteps {
 public:
  /// @param grid levels of the type's codes; null for lattice types. Grid and Hessian have to outlive this, and this its steps.
  /// Throws for types whose codes cannot be improved, and for tiles of another length.
  TypeSteps(std::string_view type, const WeightGrid* grid, const HessianTiles& hessian);

  /// Columns of a tile of the Hessian.
  size_t tile() const { return lattice_ == nullptr ? parts_->group : kLatticeTile; }
  /// Throws where there are not blocks for all weights. Returns the number of rows.
  size_t check(const BlockRows& rows) const;
  std::unique_ptr<SlabSteps> of(const BlockRows& rows) const;

 private:
  const LatticeParts* lattice_;
  const BlockParts* parts_;  // null for lattice types
  const WeightGrid* grid_;
  size_t columns_;
  std::vector<OctetCurvature> curvatures_;  // of lattice types
};

}  // namespace qs
