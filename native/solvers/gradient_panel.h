#pragma once
// Gradients D·H of the errors D of some rows, for a panel of consecutive columns at a time.
#include <algorithm>
#include <array>
#include <vector>

#include "../kernels/kernels.h"
#include "../kernels/slab.h"
#include "hessian_tiles.h"

namespace qs {

using Losses = std::array<double, kSlab>;

/// The rows are those of a slab; `errors` below are `[columns, kSlab]`, from column 0 on.
class GradientPanel {
 public:
  /// Columns whose gradients are known at a time.
  static constexpr size_t kColumns = 256;

  /// @param group columns of a tile.
  GradientPanel(const HessianTiles& hessian, size_t group) : hessian_(hessian), group_(group), gradients_(kColumns * kSlab) {}

  /// Rows of the Hessian from a column that starts a tile, at columns from `to` on.
  const float* tile(size_t column, size_t to) const { return hessian_.values.data() + column * hessian_.columns + to * group_; }
  size_t group() const { return group_; }
  size_t first() const { return first_; }
  size_t end() const { return std::min(first_ + kColumns, hessian_.columns); }
  float* at(size_t column) { return gradients_.data() + (column - first_) * kSlab; }

  /// Turns to the columns from `first` on: gradients from all errors.
  void find(size_t first, const float* errors, CancelFlag cancelled) {
    if (cancelled != nullptr && cancelled->load() != 0) throw Cancelled();
    first_ = first;
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
    add(0, hessian_.columns, errors);
  }

  /// Adds what errors of some columns cause. @param count whole tiles.
  void add(size_t column, size_t count, const float* errors) {
    for (size_t i = 0; i < count; i += group_) {
      kernels().addFeedback(gradients_.data(), errors + i * kSlab, tile(column + i, first_), group_, end() - first_);
    }
  }

  /// Turns to the panels of all columns, one after the other, and calls work() for each.
  template <typename Work>
  void overAll(const float* errors, CancelFlag cancelled, const Work& work) {
    for (size_t first = 0; first < hessian_.columns; first += kColumns) {
      find(first, errors, cancelled);
      work();
    }
  }

  /// d·H·dᵀ of each row; `damped` gets their sum with the damping.
  Losses measure(const float* errors, double& damped, CancelFlag cancelled) {
    Losses losses{};
    damped = 0;
    overAll(errors, cancelled, [&] {
      const float* own = errors + first_ * kSlab;
      for (size_t i = 0; i < (end() - first_) * kSlab; ++i) {
        const double error = own[i];
        const double loss = error * gradients_[i];
        damped += loss;
        losses[i % kSlab] += loss - hessian_.damping * error * error;
      }
    });
    return losses;
  }

 private:
  HessianTiles hessian_;
  size_t group_;
  size_t first_ = 0;
  std::vector<float> gradients_;
};

}  // namespace qs
