#pragma once
// The best point of a lattice for eight weights whose errors are weighed together.
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "../kernels/lattice_parts.h"

namespace qs {

/// Weighs the errors e = weight − value of eight weights by eᵀ·R·Rᵀ·e with R upper triangular: `factors[j][k]` is R[j, k] / R[k, k] for
/// j < k, `squares[k]` R[k, k]².
struct OctetMetric {
  double factors[kOctet][kOctet];
  double squares[kOctet];
};

/// What values are to be near: weight k counts as weights[k] + sums[k] + Σ_{j<k} e[j] · factors[j][k].
struct OctetTarget {
  double weights[kOctet];
  double sums[kOctet];
};

/// The points of a type as a tree of their coordinates, which is searched depth first (sphere decoding: Fincke and Pohst 1985).
class OctetSearch {
 public:
  explicit OctetSearch(const LatticeParts& parts);

  /// That of a type, made on first use.
  static const OctetSearch& of(const LatticeParts& parts);

  /// Replaces points and signs of an octet by those of the least weighted error Σ (target − value)² · squares, where it is below `bound`; the
  /// shift stays. A search ends after `kMostVisits` nodes of the tree with the best that was found.
  /// @returns the least of that error and `bound`.
  double improve(const OctetMetric& metric, const OctetTarget& target, float scale, double bound, Octet& octet) const;

  /// The weighted error of an octet as it is.
  double errorOf(const OctetMetric& metric, const OctetTarget& target, float scale, const Octet& octet) const;

  /// What weight i of an octet stands for, without its scale.
  float levelOf(const Octet& octet, size_t i) const {
    const float level = coordinates_[octet.points[i / parts_.dims] * parts_.dims + i % parts_.dims] + parts_.shiftOf(octet);
    return (octet.signs >> i & 1) != 0 ? -level : level;
  }

  static constexpr int kMostVisits = 512;

 private:
  friend class Visit;
  using Node = std::array<int16_t, 8>;  // by level: the next node, or the point after the last coordinate; −1: none

  const LatticeParts& parts_;
  std::vector<Node> nodes_;
  std::vector<float> coordinates_;  // levels of each point
};

}  // namespace qs
