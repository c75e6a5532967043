#pragma once
#include <span>

namespace qs {

/// A symmetric matrix M + damping · I.
struct DampedMatrix {
  std::span<const double> values;
  double damping;
};

}  // namespace qs
