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
    : CodeSlab({kSuperBlock, parts.group}, columns, weights.size() / columns), parts_(parts) {
  const OctetSearch& search = OctetSearch::of(parts);
  const size_t across = columns / kSuperBlock;
  for (size_t lane = 0; lane < rows(); ++lane) {
    for (size_t i = 0; i < across; ++i) {
      const LatticeBlock block = parts.read(blocks.data() + (lane * across + i) * parts.bytes);
      scalesAt(i * kSuperBlock, lane) = block.scales;
      for (size_t k = 0; k < kOctets; ++k) codes(i * kSuperBlock)[k * kSlab + lane] = block.octets[k];
    }
    for (size_t column = 0; column < columns; ++column) {
      const float value = scaleAt(column, lane) * search.levelOf(codes(column)[lane], column % kOctet);
      set(column, lane, weights[lane * columns + column], value);
    }
  }
}

void LatticeSlab::write(size_t lane, std::span<uint8_t> blocks) const {
  for (size_t i = 0; i < columns() / kSuperBlock; ++i) {
    LatticeBlock block{scalesAt(i * kSuperBlock, lane), {}};
    for (size_t k = 0; k < kOctets; ++k) block.octets[k] = codes(i * kSuperBlock)[k * kSlab + lane];
    parts_.write(blocks.data() + i * parts_.bytes, block);
  }
}

}  // namespace qs
