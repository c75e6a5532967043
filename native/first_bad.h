#pragma once
// The first weight of a matrix that cannot be used, found by several threads.
#include <cmath>
#include <mutex>
#include <span>

#include "operations.h"

namespace qs {

/// The bad weight with the lowest index, from whichever thread.
class FirstBad {
 public:
  void report(BadWeight::Kind kind, size_t index) {
    const std::lock_guard lock(mutex_);
    if (found_.kind == BadWeight::Kind::None || index < found_.index) found_ = {kind, index};
  }
  /// Reports the first of these weights that is not finite. Returns whether there is one.
  bool check(std::span<const float> weights, size_t offset) {
    const size_t index = kernels().firstNonFinite(weights.data(), weights.size());
    if (index == weights.size()) return false;
    report(std::isnan(weights[index]) ? BadWeight::Kind::NotANumber : BadWeight::Kind::Infinite, offset + index);
    return true;
  }
  BadWeight found() const { return found_; }

 private:
  std::mutex mutex_;
  BadWeight found_;
};

}  // namespace qs
