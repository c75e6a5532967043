#pragma once
// Scales and codes of many ggml blocks apart (kernels/block_parts.h).
#include <span>
#include <string_view>

#include "../kernels/block_parts.h"
#include "../rows.h"

namespace qs {

/// Throws for types without codes of single weights.
const BlockParts& partsOf(std::string_view type);

/// Scales and zeros of the groups of blocks, one after the other; `zeros` is empty for types without them.
void blockParameters(std::string_view type, std::span<const uint8_t> blocks, std::span<float> scales, std::span<float> zeros);

/// Replaces the codes of blocks: one byte for each weight.
void setBlockCodes(std::string_view type, std::span<uint8_t> blocks, std::span<const uint8_t> codes);

}  // namespace qs
