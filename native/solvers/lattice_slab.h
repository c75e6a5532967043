#pragma once
// Rows in blocks of lattice types.
#include <span>
#include <string_view>

#include "../rows.h"
#include "code_slab.h"
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

class LatticeSlab : public CodeSlab<Octet, kOctet> {
 public:
  /// @param weights of some rows, at most kSlab, and `blocks` that hold them.
  LatticeSlab(const LatticeParts& parts, size_t columns, std::span<const float> weights, std::span<const uint8_t> blocks);

  /// Puts points and scales of a row into its blocks.
  void write(size_t lane, std::span<uint8_t> blocks) const;

  float scaleAt(size_t column, size_t lane) const { return parts_.codes.scaleOf(scalesAt(column, lane), groupAt(column)); }

 private:
  const LatticeParts& parts_;
};

}  // namespace qs
