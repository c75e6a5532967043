#include "gradient_panel.h"

#include <algorithm>

#include "../kernels/kernels.h"

namespace qs {

float* GradientPanel::turnTo(size_t first) {
  first_ = first;
  std::fill(gradients_.begin(), gradients_.end(), 0.0f);
  return gradients_.data();
}

/// Adds what errors of some columns cause in their own rows.
void GradientPanel::addOwn(size_t column, size_t count, const float* errors) {
  for (size_t i = 0; i < count; i += group_) {
    kernels().addFeedback(gradients_.data(), errors + i * kSlab, tile(column + i, first_), group_, end() - first_);
  }
}

Losses GradientPanel::measure(const float* errors, double& damped, CancelFlag cancelled) {
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

void GradientPanel::add(size_t column, size_t count, const float* steps) {
  if (coupling_ == nullptr) return addOwn(column, count, steps);
  std::vector<float> mixed(steps, steps + count * kSlab);
  for (size_t k = 0; k < count; ++k) {
    kernels().addRows(mixed.data() + k * kSlab, steps + k * kSlab, coupling_->shares.data(), kSlab, kSlab, kSlab);
  }
  addOwn(column, count, mixed.data());
}

/// Steps times the Hessian of their columns, `[count, kSlab]`.
std::vector<float> GradientPanel::productsOf(size_t column, size_t count, const float* steps) const {
  std::vector<float> products(count * kSlab, 0.0f);
  for (size_t i = 0; i < count; i += group_) {
    kernels().addFeedback(products.data(), steps + i * kSlab, tile(column + i, column), group_, count);
  }
  return products;
}

Settled GradientPanel::settle(size_t column, size_t count, LaneRange lanes, float* steps, const Losses& changes,
                              float* gradients) const {
  Settled settled{std::bitset<kSlab>().set(), 0.0};
  if (coupling_ == nullptr) {
    for (const double change : changes) settled.gained -= change;
    return settled;
  }
  std::vector<float> products = productsOf(column, count, steps);
  std::vector<float> own(count);
  for (size_t lane = lanes.first; lane < lanes.end; ++lane) {
    for (size_t k = 0; k < count; ++k) own[k] = steps[k * kSlab + lane];
    std::array<float, kSlab> cross{};  // s[lane]·H·s[r]ᵀ of the steps of all rows r
    kernels().addRows(cross.data(), own.data(), products.data(), kSlab, count, kSlab);
    double change = changes[lane];
    for (size_t r = lanes.first; r < lane; ++r) change += 2.0 * static_cast<double>(coupling_->shares[r * kSlab + lane]) * cross[r];
    if (change < 0) {
      settled.gained -= coupling_->weights[lane] * change;
      continue;
    }
    settled.kept.reset(lane);
    for (size_t k = 0; k < count; ++k) steps[k * kSlab + lane] = products[k * kSlab + lane] = 0.0f;
  }
  for (size_t k = 0; k < count && gradients != nullptr; ++k) {
    kernels().addRows(gradients + k * kSlab, products.data() + k * kSlab + lanes.first, coupling_->shares.data() + lanes.first * kSlab,
                      kSlab, lanes.end - lanes.first, kSlab);
  }
  return settled;
}

}  // namespace qs
