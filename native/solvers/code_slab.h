#pragma once
// Some rows of a matrix in ggml blocks, side by side: weights, errors, codes and scales apart (kernels/slab.h).
#include <span>
#include <vector>

#include "../kernels/block_parts.h"
#include "../kernels/slab.h"

namespace qs {

/// Weights of a block, and of its groups, which share a scale.
struct BlockShape {
  size_t weights;
  size_t group;
};

/// Rows of blocks, each code being that of `kWeights` consecutive weights. Lanes after the last row are zeros.
template <typename CodeOfWeights, size_t kWeights>
class CodeSlab {
 public:
  using Code = CodeOfWeights;
  static constexpr size_t kCodeWeights = kWeights;

  size_t rows() const { return rows_; }
  const BlockShape& shape() const { return shape_; }
  BlockScales& scalesAt(size_t column, size_t lane) { return scales_[column / shape_.weights * kSlab + lane]; }
  const BlockScales& scalesAt(size_t column, size_t lane) const { return scales_[column / shape_.weights * kSlab + lane]; }
  /// Group in its block of a column.
  size_t groupAt(size_t column) const { return column % shape_.weights / shape_.group; }

  const float* weights(size_t column) const { return weights_.data() + column * kSlab; }
  float* errors(size_t column) { return errors_.data() + column * kSlab; }
  /// `[codes, kSlab]`, from that of a column on.
  Code* codes(size_t column) { return codes_.data() + column / kWeights * kSlab; }
  const Code* codes(size_t column) const { return codes_.data() + column / kWeights * kSlab; }

 protected:
  CodeSlab(BlockShape shape, size_t columns, size_t rows)
      : shape_(shape),
        columns_(columns),
        rows_(rows),
        weights_(columns * kSlab),
        errors_(columns * kSlab),
        codes_(columns / kWeights * kSlab),
        scales_(columns / shape.weights * kSlab) {}

  size_t columns() const { return columns_; }
  /// Sets a weight and what its code stands for.
  void set(size_t column, size_t lane, float weight, float decoded) {
    weights_[column * kSlab + lane] = weight;
    errors_[column * kSlab + lane] = decoded - weight;
  }

 private:
  BlockShape shape_;
  size_t columns_;
  size_t rows_;
  std::vector<float> weights_;  // [columns, kSlab]
  std::vector<float> errors_;   // decoded − weight
  std::vector<Code> codes_;
  std::vector<BlockScales> scales_;  // [blocks, kSlab]
};

}  // namespace qs
