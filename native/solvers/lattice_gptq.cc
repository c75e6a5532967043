#include "lattice_gptq.h"

#include <limits>

#include "../kernels/kernels.h"
#include "gptq_slab.h"
#include "lattice_slab.h"

namespace qs {
namespace {

/// The metric of eight positions of a block, all later ones being free.
OctetMetric metricAt(const ColumnState& state, const ColumnRun& run, size_t position) {
  OctetMetric metric{};
  for (size_t k = 0; k < kOctet; ++k) {
    const double pivot = state.pivots[position + k];
    metric.squares[k] = pivot * pivot;
    for (size_t j = 0; j < k; ++j) metric.factors[j][k] = run.within[(run.first + j) * run.width + run.first + k];
  }
  return metric;
}

/// Quantizes eight positions of a slab; `blocks` are those that hold them, of each row.
void quantizeOctet(const ColumnState& state, const LatticeParts& parts, const SlabRun& slab, size_t position, LatticeBlock* blocks) {
  const OctetSearch& search = OctetSearch::of(parts);
  const ColumnRun run = slab.run(slab.sums());
  const OctetMetric metric = metricAt(state, run, position);
  const size_t at = position % kSuperBlock;
  std::vector<float> decoded(kOctet * kSlab, 0.0f);
  for (size_t lane = 0; lane < slab.rows(); ++lane) {
    OctetTarget target;
    for (size_t i = 0; i < kOctet; ++i) {
      target.weights[i] = run.weights[i * kSlab + lane];
      target.sums[i] = run.sums[(run.first + i) * kSlab + lane];
    }
    Octet& octet = blocks[lane].octets[at / kOctet];
    const float scale = parts.codes.scaleOf(blocks[lane].scales, at / parts.group);
    const double least = std::numeric_limits<double>::infinity();
    improveOctet(search, parts, {metric, target, scale}, least, octet);
    for (size_t i = 0; i < kOctet; ++i) decoded[i * kSlab + lane] = scale * search.levelOf(octet, i);
  }
  std::vector<float> residuals(kOctet * kSlab);
  kernels().followColumns(run, decoded.data(), {slab.errors(), residuals.data(), nullptr});
  slab.addLosses(residuals);
}

}  // namespace

void quantizeLattices(const ColumnState& state, std::string_view type, size_t first, size_t count, std::span<uint8_t> blocks,
                      CancelFlag cancelled) {
  const LatticeParts& parts = latticeOf(type);
  const size_t columns = state.blocks.columns;
  if (!state.order.empty()) fail("columns of a lattice stay in their order");
  if (columns % kSuperBlock != 0 || first % kSuperBlock != 0 || count % kSuperBlock != 0) fail("columns are not whole blocks");
  requireLength("blocks", blocks.size(), state.weights.size() / kSuperBlock * parts.bytes);
  overSlabs(state, first, count, cancelled, [&](const SlabRun& slab) {
    for (size_t start = first; start < first + count; start += kSuperBlock) {
      const auto stored = [&](size_t lane) {
        return blocks.data() + (slab.row(lane) * columns + start) / kSuperBlock * parts.bytes;
      };
      std::vector<LatticeBlock> own(slab.rows());
      for (size_t lane = 0; lane < own.size(); ++lane) own[lane] = parts.read(stored(lane));
      for (size_t at = start; at < start + kSuperBlock; at += kOctet) {
        quantizeOctet(state, parts, slab.at(at, kOctet), at, own.data());
      }
      for (size_t lane = 0; lane < own.size(); ++lane) parts.write(stored(lane), own[lane]);
    }
  });
}

}  // namespace qs
