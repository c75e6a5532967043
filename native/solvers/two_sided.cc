#include "two_sided.h"

#include <algorithm>
#include <vector>

#include "../kernels/kernels.h"
#include "type_steps.h"

namespace qs {
namespace {

/// A round that improves the error by less, relative to that error, is the last.
constexpr double kLeastGain = 1e-3;

constexpr size_t kPanel = GradientPanel::kColumns;
/// Columns of a panel whose gradients are found by one thread.
constexpr size_t kColumnsOfPiece = 32;

/// Rows in the order of lanes: those that are changed together are far from each other, as neighbours often depend on each other.
std::vector<size_t> spreadRows(size_t rows) {
  constexpr size_t kTogether = GradientPanel::kCoupledLanes;
  const size_t apart = (rows + kTogether - 1) / kTogether;
  std::vector<size_t> order;
  for (size_t first = 0; first < apart; ++first) {
    for (size_t row = first; row < rows; row += apart) order.push_back(row);
  }
  return order;
}

/// Some rows, and what they have to do with all rows.
struct CoupledSlab {
  std::unique_ptr<SlabSteps> steps;
  RowCoupling coupling;
  std::vector<float> shares;    // G[i, r] / G[i, i] of all rows r and the rows i of the slab, [rows, kSlab]
  std::vector<float> products;  // D·H at the columns of the panel, [kPanel / 4, kSlab, 4]
};

/// In each panel of columns one slab is improved after the other; all threads multiply by H and by G, which takes longer.
class BothSides {
 public:
  BothSides(const Descent& descent, const DampedMatrix& covariance, CancelFlag cancelled)
      : type_(descent.type, descent.grid, descent.hessian),
        hessian_(descent.hessian),
        covariance_(covariance),
        rounds_(descent.rounds),
        rows_(type_.check({descent.weights, descent.blocks})),
        order_(spreadRows(rows_)),
        matrix_{descent.weights, descent.blocks},
        cancelled_(cancelled),
        slabs_((rows_ + kSlab - 1) / kSlab) {
    requireLength("the covariance", covariance.values.size(), product(rows_, rows_));
  }

  void run() {
    for (size_t row = 0; row < rows_; ++row) {
      if (!(weightOf(row) > 0)) return;  // nothing is known of the outputs
    }
    overSlabs([&](size_t index) { start(index); });
    const double before = measure();
    double error = before;
    for (size_t round = 0; round < rounds_; ++round) {
      const double gained = improve();
      if (gained <= kLeastGain * error) break;
      error -= gained;
    }
    if (!(measure() < before)) return;
    overSlabs([&](size_t index) { write(index); });
  }

 private:
  template <typename Work>
  void overSlabs(const Work& work) {
    overRows(slabs_.size(), 1, cancelled_, [&](size_t index, size_t) { work(index); });
  }

  double weightOf(size_t row) const { return covariance_.values[row * (rows_ + 1)] + covariance_.damping; }
  size_t widthOf(size_t first) const { return std::min(kPanel, hessian_.columns - first); }

  void start(size_t index) {
    CoupledSlab& slab = slabs_[index];
    const size_t count = std::min(kSlab, rows_ - index * kSlab);
    std::vector<float> weights;
    std::vector<uint8_t> blocks;
    slab.shares.assign(slabs_.size() * kSlab * kSlab, 0.0f);
    slab.coupling.weights.fill(0);
    for (size_t lane = 0; lane < count; ++lane) {
      const size_t row = order_[index * kSlab + lane];
      const BlockRows own = matrix_.some(row, 1, hessian_.columns);
      weights.insert(weights.end(), own.weights.begin(), own.weights.end());
      blocks.insert(blocks.end(), own.blocks.begin(), own.blocks.end());
      const double weight = slab.coupling.weights[lane] = weightOf(row);
      for (size_t r = 0; r < rows_; ++r) {
        const double share = covariance_.values[row * rows_ + order_[r]] / weight;
        slab.shares[r * kSlab + lane] = order_[r] == row ? 1.0f : static_cast<float>(share);
      }
    }
    slab.steps = type_.of({weights, blocks});
    std::copy_n(slab.shares.data() + index * kSlab * kSlab, kSlab * kSlab, slab.coupling.shares.data());
    for (size_t lane = 0; lane < kSlab; ++lane) slab.coupling.shares[lane * (kSlab + 1)] = 0.0f;
    slab.products.resize(kPanel * kSlab);
  }

  /// Calls work(first) for each panel with the products of all slabs.
  template <typename Work>
  void overPanels(const Work& work) {
    for (size_t first = 0; first < hessian_.columns; first += kPanel) {
      overSlabs([&](size_t index) {
        CoupledSlab& slab = slabs_[index];
        std::fill(slab.products.begin(), slab.products.end(), 0.0f);
        addProducts(slab, first, 0, hessian_.columns, slab.steps->errors());
      });
      work(first);
    }
  }

  /// Adds what errors of some columns cause in a panel to the products of a slab.
  void addProducts(CoupledSlab& slab, size_t first, size_t column, size_t count, const float* errors) const {
    const size_t tile = type_.tile();
    std::vector<float> sums(kPanel * kSlab, 0.0f);
    for (size_t i = 0; i < count; i += tile) {
      const float* values = hessian_.values.data() + (column + i) * hessian_.columns + first * tile;
      kernels().addFeedback(sums.data(), errors + i * kSlab, values, tile, widthOf(first));
    }
    for (size_t k = 0; k < widthOf(first); ++k) {
      for (size_t lane = 0; lane < kSlab; ++lane) slab.products[(k / 4 * kSlab + lane) * 4 + k % 4] += sums[k * kSlab + lane];
    }
  }

  /// The gradients of a slab at some columns of the panel, added to zeros: `[count, kSlab]`.
  void addGradients(const CoupledSlab& slab, size_t at, size_t count, float* gradients) const {
    for (size_t other = 0; other < slabs_.size(); ++other) {
      const float* shares = slab.shares.data() + other * kSlab * kSlab;
      kernels().addFeedback(gradients, shares, slabs_[other].products.data() + at * kSlab, kSlab, count);
    }
  }

  /// tr(G·D·H·Dᵀ).
  double measure() {
    double sum = 0;
    overPanels([&](size_t first) {
      std::vector<double> sums(slabs_.size(), 0.0);
      overSlabs([&](size_t index) {
        std::vector<float> gradients(widthOf(first) * kSlab, 0.0f);
        addGradients(slabs_[index], 0, widthOf(first), gradients.data());
        const float* errors = slabs_[index].steps->errors() + first * kSlab;
        for (size_t i = 0; i < gradients.size(); ++i) {
          sums[index] += slabs_[index].coupling.weights[i % kSlab] * (static_cast<double>(errors[i]) * gradients[i]);
        }
      });
      for (const double own : sums) sum += own;
    });
    return sum;
  }

  /// A round. Returns what it gains.
  double improve() {
    double gained = 0;
    overPanels([&](size_t first) {
      for (CoupledSlab& slab : slabs_) gained += improvePanel(slab, first);
    });
    return gained;
  }

  double improvePanel(CoupledSlab& slab, size_t first) {
    GradientPanel panel(hessian_, type_.tile(), &slab.coupling);
    float* gradients = panel.turnTo(first);
    overRows(widthOf(first), kColumnsOfPiece, cancelled_, [&](size_t at, size_t count) {
      addGradients(slab, at, count, gradients + at * kSlab);
    });
    const float* errors = slab.steps->errors() + first * kSlab;
    std::vector<float> moved(errors, errors + widthOf(first) * kSlab);
    const double gained = slab.steps->improve(panel);
    for (size_t i = 0; i < moved.size(); ++i) moved[i] = errors[i] - moved[i];
    addProducts(slab, first, first, widthOf(first), moved.data());
    return gained;
  }

  void write(size_t index) {
    const SlabSteps& steps = *slabs_[index].steps;
    for (size_t lane = 0; lane < steps.rows(); ++lane) {
      steps.write(lane, matrix_.some(order_[index * kSlab + lane], 1, hessian_.columns).blocks);
    }
  }

  TypeSteps type_;
  HessianTiles hessian_;
  DampedMatrix covariance_;
  size_t rounds_;
  size_t rows_;
  std::vector<size_t> order_;  // row of each lane, slab after slab
  BlockRows matrix_;
  CancelFlag cancelled_;
  std::vector<CoupledSlab> slabs_;
};

}  // namespace

void descendBothSides(const Descent& descent, const DampedMatrix& covariance, CancelFlag cancelled) {
  BothSides(descent, covariance, cancelled).run();
}

}  // namespace qs
