#include "fp4.h"

#include <cmath>
#include <cstring>

#include "blocks.h"
#include "floats.h"
#include "groups.h"

namespace qs::QS_TARGET {
namespace {

// Twice the E2M1 values, so that they are integers; the scales are halved to match.
constexpr float kTable[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Half of 2^(e − 127).
QS_INLINE float halfScaleE8M0(uint8_t e) {
  return floatOf(e < 2 ? uint32_t{0x00200000} << e : static_cast<uint32_t>(e - 1) << 23);
}

/// Half of an unsigned float of 4 exponent and 3 fraction bits; 0x7f, its NaN, counts as zero. The top bit is ignored,
/// except that it keeps 0x80 and 0xff from being special.
QS_INLINE float halfScaleUE4M3(uint8_t code) {
  if (code == 0 || code == 0x7f) return 0.0f;
  const int exponent = (code >> 3) & 15;
  const float fraction = static_cast<float>(code & 7);
  if (exponent == 0) return fraction * 0x1p-10f;
  return (1.0f + fraction / 8.0f) * floatOf(static_cast<uint32_t>(exponent - 8 + 127) << 23);
}

/// Rounds half up to unsigned E4M3, saturating at 0x7e.
QS_INLINE uint8_t toUE4M3(float value) {
  if (!(value > 0.0f)) return 0;
  const uint32_t bits = bitsOf(value > 448.0f ? 448.0f : value);
  const int exponent = static_cast<int>((bits >> 23) & 0xff) - 127 + 7;
  if (exponent <= 0) {
    const int steps = static_cast<int>(value * 512.0f + 0.5f);
    return static_cast<uint8_t>(steps > 7 ? 7 : steps);
  }
  if (exponent >= 15) return 0x7e;
  const uint32_t rounded = (static_cast<uint32_t>(exponent) << 3) + ((bits >> 20) & 7) + ((bits >> 19) & 1);
  return static_cast<uint8_t>(rounded >= 15 << 3 ? 0x7e : rounded);
}

/// Index of the nearest entry of the scaled table, the lowest of equals: that of the nearest magnitude, plus 8 for a
/// negative weight unless it is zero.
QS_INLINE I32 nearestEntry(F32 x, float scale) {
  const F32 size = magnitude(x);
  F32 best = size;
  I32 index = splat(0);
  for (int k = 1; k < 8; ++k) {
    const F32 error = magnitude(splat(kTable[k] * scale) - size);
    const Mask better = error < best;
    best = select(better, error, best);
    index = select(better, splat(k), index);
  }
  const Mask negative = (x < zeroFloats()) & (index > splat(0));
  return select(negative, index | splat(8), index);
}

}  // namespace

// The largest magnitude's binary exponent becomes the largest of E2M1 (2). The logarithm is rounded to float32, so a
// magnitude just below a power of two may count as that power.
void encodeMXFP4(const float* x, void* out, Rows rows) {
  auto* block = static_cast<BlockMXFP4*>(out);
  for (size_t left = rows.count * rows.columns / kBlock; left > 0; --left, x += kBlock, ++block) {
    const float largest = largestMagnitude<kBlock>(x);
    const float exponent = std::floor(static_cast<float>(std::log2(static_cast<double>(largest))));
    block->e = largest > 0.0f ? static_cast<uint8_t>(static_cast<int>(exponent) - 2 + 127) : uint8_t{0};
    const float scale = halfScaleE8M0(block->e);
    uint8_t codes[kBlock];
    for (int i = 0; i < kBlock; i += kLanes) storeBytes(codes + i, nearestEntry(load(x + i), scale));
    for (int i = 0; i < kBlock / 2; ++i) block->qs[i] = static_cast<uint8_t>(codes[i] | (codes[i + kBlock / 2] << 4));
  }
}

// The largest magnitude of each sub-block becomes 6, the largest of E2M1.
void encodeNVFP4(const float* x, void* out, Rows rows) {
  auto* block = static_cast<BlockNVFP4*>(out);
  for (size_t left = rows.count * rows.columns / 64; left > 0; --left, ++block) {
    for (int sub = 0; sub < 4; ++sub, x += 16) {
      block->d[sub] = toUE4M3(largestMagnitude<16>(x) / 6.0f);
      const float scale = halfScaleUE4M3(block->d[sub]);
      uint8_t codes[16];
      for (int i = 0; i < 16; i += kLanes) storeBytes(codes + i, nearestEntry(load(x + i), scale));
      for (int i = 0; i < 8; ++i) block->qs[sub * 8 + i] = static_cast<uint8_t>(codes[i] | (codes[i + 8] << 4));
    }
  }
}

void decodeMXFP4(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockMXFP4*>(in);
  const Table16 table = table16(kTable);
  for (size_t left = n / kBlock; left > 0; --left, y += kBlock, ++block) {
    const F32 scale = splat(halfScaleE8M0(block->e));
    for (int i = 0; i < kBlock / 2; i += kLanes) {
      const I32 q = loadBytes(block->qs + i);
      store(y + i, lookup(table, q) * scale);
      store(y + i + kBlock / 2, lookup(table, q >> 4) * scale);
    }
  }
}

void decodeNVFP4(const void* in, float* y, size_t n) {
  constexpr size_t kBatch = 8;  // blocks unpacked at a time, so that no load waits for the stores before it
  const auto* block = static_cast<const BlockNVFP4*>(in);
  const Table16 table = table16(kTable);
  for (size_t left = n / 64; left > 0;) {
    const size_t blocks = left < kBatch ? left : kBatch;
    uint8_t codes[kBatch * 64];
    for (size_t sub = 0; sub < blocks * 4; ++sub) {
      uint64_t packed;
      std::memcpy(&packed, block[sub / 4].qs + sub % 4 * 8, sizeof packed);
      const uint64_t low = packed & 0x0f0f0f0f0f0f0f0fu;
      const uint64_t high = (packed >> 4) & 0x0f0f0f0f0f0f0f0fu;
      std::memcpy(codes + sub * 16, &low, sizeof low);
      std::memcpy(codes + sub * 16 + 8, &high, sizeof high);
    }
    for (size_t sub = 0; sub < blocks * 4; ++sub, y += 16) {
      const F32 scale = splat(halfScaleUE4M3(block[sub / 4].d[sub % 4]));
      for (size_t i = 0; i < 16; i += kLanes) store(y + i, lookup(table, loadBytes(codes + sub * 16 + i)) * scale);
    }
    block += blocks;
    left -= blocks;
  }
}

}  // namespace qs::QS_TARGET
