#pragma once
// Central moments that are merged part by part, without the cancellation of sums of powers.
namespace qs {

/// Σ(x − mean)^k of some values.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0, cubes = 0, fourths = 0;

  /// Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments" (2008).
  void add(const Moments& other) {
    if (other.count == 0) return;
    if (count == 0) {
      *this = other;
      return;
    }
    const double total = count + other.count;
    const double delta = other.mean - mean;
    const double part = delta / total;
    const double cross = delta * part * count * other.count;
    fourths += other.fourths +
               cross * part * part * (count * count - count * other.count + other.count * other.count) +
               6 * part * part * (count * count * other.squares + other.count * other.count * squares) +
               4 * part * (count * other.cubes - other.count * cubes);
    cubes += other.cubes + cross * part * (count - other.count) + 3 * part * (count * other.squares - other.count * squares);
    squares += other.squares + cross;
    mean += part * other.count;
    count = total;
  }
};

}  // namespace qs
