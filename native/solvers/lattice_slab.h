#pragma once
// Some rows of a matrix in blocks of a lattice type, side by side: weights, errors, points and scales apart (kernels/slab.h).
#include <span>
#include <string_view>
#include <vector>

#include "../kernels/slab.h"
#include "../rows.h"
#include "nearest_octet.h"

namespace qs {

/// The parts of a type. Throws for types that are not lattices.
const LatticeParts& latticeOf(std::string_view type);

/// What is known of eight weights before their point is found.
struct OctetTask {
  const OctetMetric& metric;
  const OctetTarget& target;
  float scale;
};

/// As OctetSearch::improve, with either shift where eight weights have their own. @returns the least of the error and `bound`.
double improveOctet(const OctetSearch& search, const LatticeParts& parts, const OctetTask& task, double bound, Octet& octet);

/// Rows of blocks of a type; lanes after the last row are zeros.
class LatticeSlab {
 public:
  /// @param weights of some rows, at most kSlab, and `blocks` that hold them.
  LatticeSlab(const LatticeParts& parts, size_t columns, std::span<const float> weights, std::span<const uint8_t> blocks);

  /// Puts points and scales of a row into its blocks.
  void write(size_t lane, std::span<uint8_t> blocks) const;

  size_t rows() const { return rows_; }
  BlockScales& scalesAt(size_t column, size_t lane) { return blocks_[column / kSuperBlock * kSlab + lane].scales; }
  /// Group in its block of a column.
  size_t groupAt(size_t column) const { return column % kSuperBlock / parts_.group; }
  float scaleAt(size_t column, size_t lane) { return parts_.codes.scaleOf(scalesAt(column, lane), groupAt(column)); }
  Octet& octetAt(size_t column, size_t lane) {
    return blocks_[column / kSuperBlock * kSlab + lane].octets[column % kSuperBlock / kOctet];
  }

  const float* weights(size_t column) const { return weights_.data() + column * kSlab; }
  float* errors(size_t column) { return errors_.data() + column * kSlab; }

 private:
  const LatticeParts& parts_;
  size_t columns_;
  size_t rows_;
  std::vector<float> weights_;  // [columns, kSlab]
  std::vector<float> errors_;   // decoded − weight
  std::vector<LatticeBlock> blocks_;  // [columns / kSuperBlock, kSlab]
};

}  // namespace qs
