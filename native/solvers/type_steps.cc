#include "type_steps.h"

#include "block_codes.h"

namespace qs {

BlockRows BlockRows::some(size_t first, size_t count, size_t columns) const {
  const size_t bytes = blocks.size() / (weights.size() / columns);
  return {weights.subspan(first * columns, count * columns), blocks.subspan(first * bytes, count * bytes)};
}

TypeSteps::TypeSteps(std::string_view type, const WeightGrid* grid, const HessianTiles& hessian)
    : lattice_(latticePartsOf(type)), parts_(lattice_ == nullptr ? &partsOf(type) : nullptr), grid_(grid), columns_(hessian.columns) {
  if ((grid == nullptr) != (lattice_ != nullptr)) fail("a grid is needed for types with codes of single weights, and only for these");
  requireLength("the tiles", hessian.values.size(), product(columns_, columns_));
  if (columns_ % (lattice_ == nullptr ? parts_->weights : kSuperBlock) != 0) fail("rows are not whole blocks");
  if (lattice_ != nullptr) curvatures_ = octetCurvatures(hessian);
}

size_t TypeSteps::check(const BlockRows& rows) const {
  const size_t blocks = rowsOf(rows.weights, columns_) * columns_ / (lattice_ == nullptr ? parts_->weights : kSuperBlock);
  requireLength("blocks", rows.blocks.size(), blocks * (lattice_ == nullptr ? parts_->bytes : lattice_->bytes));
  return rows.weights.size() / columns_;
}

std::unique_ptr<SlabSteps> TypeSteps::of(const BlockRows& rows) const {
  if (lattice_ == nullptr) {
    return std::make_unique<BlockSteps>(*parts_, *grid_, BlockSlab(*parts_, *grid_, columns_, rows.weights, rows.blocks));
  }
  return std::make_unique<LatticeSteps>(*lattice_, LatticeSlab(*lattice_, columns_, rows.weights, rows.blocks), curvatures_);
}

}  // namespace qs
