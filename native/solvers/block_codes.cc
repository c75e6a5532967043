#include "block_codes.h"

namespace qs {

const BlockParts& partsOf(std::string_view type) {
  const BlockParts* parts = blockPartsOf(type);
  if (parts == nullptr) fail(std::string(type) + " has no codes of single weights");
  return *parts;
}

namespace {

/// Runs work(first block, blocks) over the pool.
template <typename Work>
void overBlocks(const BlockParts& parts, size_t bytes, const Work& work) {
  if (bytes % parts.bytes != 0) fail("the blocks are not whole");
  overRows(bytes / parts.bytes, kPieceWeights / parts.weights, nullptr, work);
}

}  // namespace

void blockParameters(std::string_view type, std::span<const uint8_t> blocks, std::span<float> scales, std::span<float> zeros) {
  const BlockParts& parts = partsOf(type);
  const size_t groups = parts.groups();
  requireLength("scales", scales.size(), blocks.size() / parts.bytes * groups);
  requireLength("zeros", zeros.size(), parts.codes.hasZeros ? scales.size() : 0);
  overBlocks(parts, blocks.size(), [&](size_t first, size_t count) {
    for (size_t block = first; block < first + count; ++block) {
      const BlockScales stored = parts.readScales(blocks.data() + block * parts.bytes);
      for (size_t j = 0; j < groups; ++j) {
        scales[block * groups + j] = parts.codes.scaleOf(stored, j);
        if (parts.codes.hasZeros) zeros[block * groups + j] = parts.codes.zeroOf(stored, j);
      }
    }
  });
}

void setBlockCodes(std::string_view type, std::span<uint8_t> blocks, std::span<const uint8_t> codes) {
  const BlockParts& parts = partsOf(type);
  requireLength("codes", codes.size(), blocks.size() / parts.bytes * parts.weights);
  overBlocks(parts, blocks.size(), [&](size_t first, size_t count) {
    for (size_t block = first; block < first + count; ++block) {
      parts.setCodes(blocks.data() + block * parts.bytes, codes.data() + block * parts.weights);
    }
  });
}

}  // namespace qs
