#pragma once
// Coordinate descent on rows in blocks of lattice types.
#include "lattice_slab.h"
#include "octet_metric.h"
#include "slab_steps.h"

namespace qs {

/// Columns of a tile of the Hessian for a lattice type.
inline constexpr size_t kLatticeTile = 8;

/// The curvature of each eight columns.
std::vector<OctetCurvature> octetCurvatures(const HessianTiles& hessian);

/// A scale of a group, and whether its shift is turned.
struct LatticeChange {
  int scale;
  bool turns;
};

/// Eight weights at a time get points with their signs, scales (and shifts) of groups are changed together with their points.
class LatticeSteps final : public GroupSteps<LatticeSlab> {
 public:
  /// @param curvatures have to outlive the steps.
  LatticeSteps(const LatticeParts& parts, const LatticeSlab& slab, std::span<const OctetCurvature> curvatures)
      : GroupSteps(parts.codes, slab), parts_(parts), search_(OctetSearch::of(parts)), curvatures_(curvatures) {}

 private:
  void tryChanges(size_t column) override;
  LaneMoments factorMoments(size_t column) override;
  void decodeBlock(size_t column) override;

  size_t octetsOfGroup() const { return parts_.group / kOctet; }
  template <typename Change>
  void tryChange(size_t column, bool always, const Change& change);
  void moveOctets(size_t column, size_t index, const float* scales, bool searches);
  void searchOctet(const OctetCurvature& curvature, size_t at, float scale, Octet& octet);
  LaneMoments momentsOfLevels(size_t column, size_t count, const float* gradients);
  LaneMoments momentsOfGroup(size_t column);

  const LatticeParts& parts_;
  const OctetSearch& search_;
  std::span<const OctetCurvature> curvatures_;
  std::vector<size_t> tried_;  // rows that are changed
};

}  // namespace qs
