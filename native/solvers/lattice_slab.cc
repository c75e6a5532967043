#include "lattice_slab.h"

namespace qs {

const LatticeParts& latticeOf(std::string_view type) {
  const LatticeParts* parts = latticePartsOf(type);
  if (parts == nullptr) fail(std::string(type) + " is not a lattice type");
  return *parts;
}

double improveOctet(const OctetSearch& search, const LatticeParts& parts, const OctetTask& task, double bound, Octet& octet) {
  double best = search.improve(task.metric, task.target, task.scale, bound, octet);
  if (parts.shared != kOctet) return best;
  Octet other = octet;
  other.shift = static_cast<uint8_t>(1 - other.shift);
  const double found = search.improve(task.metric, task.target, task.scale, best, other);
  if (!(found < best)) return best;
  octet = other;
  return found;
}

LatticeSlab::LatticeSlab(const LatticeParts& parts, size_t columns, std::span<const float> weights, std::span<const uint8_t> blocks)
    : parts_(parts),
      columns_(columns),
      rows_(weights.size() / columns),
      weights_(columns * kSlab, 0.0f),
      errors_(columns * kSlab, 0.0f),
      blocks_(columns / kSuperBlock * kSlab) {
  const OctetSearch& search = OctetSearch::of(parts);
  const size_t across = columns / kSuperBlock;
  for (size_t lane = 0; lane < rows_; ++lane) {
    for (size_t i = 0; i < across; ++i) blocks_[i * kSlab + lane] = parts.read(blocks.data() + (lane * across + i) * parts.bytes);
    for (size_t column = 0; column < columns; ++column) {
      const float weight = weights[lane * columns + column];
      const float value = scaleAt(column, lane) * search.levelOf(octetAt(column, lane), column % kOctet);
      weights_[column * kSlab + lane] = weight;
      errors_[column * kSlab + lane] = value - weight;
    }
  }
}

void LatticeSlab::write(size_t lane, std::span<uint8_t> blocks) const {
  for (size_t i = 0; i < columns_ / kSuperBlock; ++i) parts_.write(blocks.data() + i * parts_.bytes, blocks_[i * kSlab + lane]);
}

}  // namespace qs
