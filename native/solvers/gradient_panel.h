#pragma once
// Gradients of the errors D of some rows, for a panel of consecutive columns at a time.
#include <array>
#include <bitset>
#include <vector>

#include "../kernels/slab.h"
#include "hessian_tiles.h"
#include "row_coupling.h"

namespace qs {

using Losses = std::array<double, kSlab>;

/// Rows whose changes are kept, and by how much these reduce the error of all rows.
struct Settled {
  std::bitset<kSlab> kept;
  double gained;
};

/// The rows are those of a slab; `errors` below are `[columns, kSlab]`, from column 0 on. Gradients are D·H, or with a coupling of the rows those of
/// each row over its weight: Σ G[i, r] / G[i, i] · D[r]·H.
class GradientPanel {
 public:
  /// Columns whose gradients are known at a time.
  static constexpr size_t kColumns = 256;
  /// Coupled rows that are changed as if the others stayed as they are: as many as sweeps take side by side.
  static constexpr size_t kCoupledLanes = 16;

  /// @param group columns of a tile. @param coupling of the rows, if any; has to outlive the panel.
  GradientPanel(const HessianTiles& hessian, size_t group, const RowCoupling* coupling = nullptr)
      : hessian_(hessian), group_(group), coupling_(coupling), gradients_(kColumns * kSlab) {}

  /// Rows of the Hessian from a column that starts a tile, at columns from `to` on.
  const float* tile(size_t column, size_t to) const { return hessian_.values.data() + column * hessian_.columns + to * group_; }
  size_t group() const { return group_; }
  size_t first() const { return first_; }
  size_t end() const { return std::min(first_ + kColumns, hessian_.columns); }
  float* at(size_t column) { return gradients_.data() + (column - first_) * kSlab; }

  /// Turns to the columns from `first` on, whose gradients are zeros. Returns these.
  float* turnTo(size_t first);

  /// Turns to the panels of all columns, one after the other, with the gradients of all errors, and calls work() for each.
  template <typename Work>
  void overAll(const float* errors, CancelFlag cancelled, const Work& work) {
    for (size_t first = 0; first < hessian_.columns; first += kColumns) {
      if (cancelled != nullptr && cancelled->load() != 0) throw Cancelled();
      turnTo(first);
      addOwn(0, hessian_.columns, errors);
      work();
    }
  }

  /// Rows that are changed together, before the next ones.
  size_t lanesAtOnce() const { return coupling_ == nullptr ? kSlab : kCoupledLanes; }

  /// Decides which of some rows keep steps of their errors in some columns. Rows by themselves keep all; coupled ones do where steps reduce the error
  /// together with those of the rows before.
  /// @param count whole tiles.
  /// @param steps `[count, kSlab]`, zeros for other rows; zeros afterwards for rows that do not keep them.
  /// @param changes what the steps of each row change its error by, with all other rows as they were.
  /// @param gradients at these columns, which follow the steps in rows that are coupled to these; may be null.
  Settled settle(size_t column, size_t count, LaneRange lanes, float* steps, const Losses& changes, float* gradients) const;

  /// Adds what steps of errors in some columns cause to the gradients. @param count whole tiles.
  void add(size_t column, size_t count, const float* steps);

  /// d·H·dᵀ of each row; `damped` gets their sum with the damping.
  Losses measure(const float* errors, double& damped, CancelFlag cancelled);

 private:
  std::vector<float> productsOf(size_t column, size_t count, const float* steps) const;
  void addOwn(size_t column, size_t count, const float* errors);

  HessianTiles hessian_;
  size_t group_;
  const RowCoupling* coupling_;
  size_t first_ = 0;
  std::vector<float> gradients_;
};

}  // namespace qs
