// Reads levels, scales and zeros of blocks of every type that has them, of arbitrary bytes in buffers of exactly their size, with every
// instruction set of this processor: all give the same, and level · scale + zero is what the type's decoder gives.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../solvers/block_levels.h"
#include "expect.h"
#include "inputs.h"

namespace {

using namespace qs;
using namespace qs::test;

constexpr size_t kBlocks = 37;

struct Parts {
  std::vector<float> levels, scales, zeros, factors;

  explicit Parts(const LevelLayout& layout)
      : levels(kBlocks * layout.weights),
        scales(levels.size() / layout.group),
        zeros(layout.hasZeros ? scales.size() : 0),
        factors(layout.hasFactors ? 2 * kBlocks : 0) {}
};

bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

bool isNear(float found, float level, float scale, float zero) {
  const float expected = level * scale + zero;
  if (!std::isfinite(found) || !std::isfinite(expected)) return true;  // blocks of arbitrary bytes have scales of any size
  return std::fabs(found - expected) <= 0x1p-20f * (std::fabs(level * scale) + std::fabs(zero));
}

void check(const Codec& codec) {
  const LevelLayout layout = levelLayoutOf(codec.name);
  Random random(7);
  std::vector<uint8_t> blocks(kBlocks * layout.bytes);
  for (uint8_t& byte : blocks) byte = static_cast<uint8_t>(random.bits());
  Parts first(layout);
  for (const Kernels* table : availableKernels()) {
    useKernels(table->name);
    Parts parts(layout);
    readLevels(codec.name, blocks, {parts.levels, parts.scales, parts.zeros, parts.factors}, nullptr);
    if (table == availableKernels()[0]) first = parts;
    const bool same = sameBits(parts.levels, first.levels) && sameBits(parts.scales, first.scales) &&
                      sameBits(parts.zeros, first.zeros) && sameBits(parts.factors, first.factors);
    expect(same, std::string(codec.name) + " is the same with " + std::string(table->name));
  }
  std::vector<float> decoded(first.levels.size());
  codec.decode(blocks.data(), decoded.data(), decoded.size());
  for (size_t i = 0; i < decoded.size(); ++i) {
    const size_t group = i / layout.group;
    const float zero = layout.hasZeros ? first.zeros[group] : 0.0f;
    if (isNear(decoded[i], first.levels[i], first.scales[group], zero)) continue;
    return expect(false, std::string(codec.name) + " decodes weight " + std::to_string(i) + " from its parts");
  }
}

}  // namespace

int main() {
  for (const Codec& codec : kernels().codecs) {
    if (codec.block > 1) check(codec);
  }
  return failures == 0 ? 0 : 1;
}
