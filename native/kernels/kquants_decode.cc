// Decoders of the K types.
#include "kquants.h"

#include "blocks.h"
#include "floats.h"
#include "kpacking.h"

namespace qs::QS_TARGET {
void decodeQ2_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ2_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ2_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 16; ++j, y += 16) {
      const F32 scale = splat(d * static_cast<float>(block.scales[j] & 15));
      const F32 min = splat(dmin * static_cast<float>(block.scales[j] >> 4));
      const uint8_t* q = block.qs + j / 8 * 32 + j % 2 * 16;
      for (int i = 0; i < 16; i += kLanes) {
        store(y + i, scale * toFloats((loadBytes(q + i) >> (j % 8 / 2 * 2)) & splat(3)) - min);
      }
    }
  }
}

void decodeQ3_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ3_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ3_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    for (int j = 0; j < 16; ++j, y += 16) {
      const F32 scale = splat(d * static_cast<float>(scaleQ3_K(block.scales, j)));
      const uint8_t* low = block.qs + j / 8 * 32 + j % 2 * 16;
      const uint8_t* high = block.hmask + j % 2 * 16;
      for (int i = 0; i < 16; i += kLanes) {
        const I32 pair = (loadBytes(low + i) >> (j % 8 / 2 * 2)) & splat(3);
        const I32 third = ((loadBytes(high + i) >> (j / 2)) & splat(1)) << 2;
        store(y + i, scale * toFloats((pair | third) - splat(4)));
      }
    }
  }
}

void decodeQ4_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ4_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ4_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 8; j += 2, y += 64) {
      uint8_t scale[2];
      uint8_t min[2];
      unpackScaleMin(block.scales, j, scale[0], min[0]);
      unpackScaleMin(block.scales, j + 1, scale[1], min[1]);
      for (int i = 0; i < 32; i += kLanes) {
        const I32 q = loadBytes(block.qs + j * 16 + i);
        store(y + i, splat(d * scale[0]) * toFloats(q & splat(15)) - splat(dmin * min[0]));
        store(y + i + 32, splat(d * scale[1]) * toFloats(q >> 4) - splat(dmin * min[1]));
      }
    }
  }
}

void decodeQ5_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ5_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index) {
    const BlockQ5_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    const float dmin = floatFromHalf(block.dmin);
    for (int j = 0; j < 8; j += 2, y += 64) {
      uint8_t scale[2];
      uint8_t min[2];
      unpackScaleMin(block.scales, j, scale[0], min[0]);
      unpackScaleMin(block.scales, j + 1, scale[1], min[1]);
      for (int i = 0; i < 32; i += kLanes) {
        const I32 q = loadBytes(block.qs + j * 16 + i);
        const I32 fifths = loadBytes(block.qh + i) >> j;
        const I32 low = (q & splat(15)) | ((fifths & splat(1)) << 4);
        const I32 high = (q >> 4) | ((fifths & splat(2)) << 3);
        store(y + i, splat(d * scale[0]) * toFloats(low) - splat(dmin * min[0]));
        store(y + i + 32, splat(d * scale[1]) * toFloats(high) - splat(dmin * min[1]));
      }
    }
  }
}

void decodeQ6_K(const void* in, float* y, size_t n) {
  const auto* blocks = static_cast<const BlockQ6_K*>(in);
  for (size_t index = 0; index < n / kSuperBlock; ++index, y += kSuperBlock) {
    const BlockQ6_K& block = blocks[index];
    const float d = floatFromHalf(block.d);
    for (int j = 0; j < 16; ++j) {
      const int quarter = j % 8 / 2;
      const uint8_t* low = block.ql + j / 8 * 64 + quarter % 2 * 32 + j % 2 * 16;
      const uint8_t* high = block.qh + j / 8 * 32 + j % 2 * 16;
      const F32 scale = splat(d * block.scales[j]);
      for (int i = 0; i < 16; i += kLanes) {
        const I32 nibble = (loadBytes(low + i) >> (quarter / 2 * 4)) & splat(15);
        const I32 top = ((loadBytes(high + i) >> (2 * quarter)) & splat(3)) << 4;
        store(y + j * 16 + i, scale * toFloats((nibble | top) - splat(32)));
      }
    }
  }
}

}  // namespace qs::QS_TARGET
