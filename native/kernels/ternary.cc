#include "ternary.h"

#include "blocks.h"
#include "floats.h"
#include "groups.h"

namespace qs::QS_TARGET {
namespace {

/// The scale is the largest magnitude; codes 0, 1, 2 stand for −d, 0, d. Rounds half away from zero.
QS_INLINE float ternaryCodes(const float* x, uint8_t* codes) {
  const float d = largestMagnitude<kSuperBlock>(x);
  const F32 inverse = splat(reciprocalOrZero(d));
  for (int i = 0; i < kSuperBlock; i += kLanes) {
    storeBytes(codes + i, truncated(roundedAway(load(x + i) * inverse)) + splat(1));
  }
  return d;
}

// Five digits make a number below 3^5 = 243, stored as the smallest byte b with b/256 ≥ number/243, from which each digit
// comes out by a multiplication with 3 and the carry into the ninth bit.
QS_INLINE uint8_t asFraction(int number) { return static_cast<uint8_t>(((number & 255) * 256 + 242) / 243); }

/// Digit i of the bytes is weight i·stride, the first the most significant; `digits` of five are present.
template <int kBytes, int kDigits>
QS_INLINE void packDigits(const uint8_t* codes, uint8_t* packed) {
  for (int b = 0; b < kBytes; ++b) {
    int number = 0;
    for (int digit = 0; digit < kDigits; ++digit) number = (number * 3 + codes[b + digit * kBytes]) & 255;
    for (int digit = kDigits; digit < 5; ++digit) number = (number * 3) & 255;
    packed[b] = asFraction(number);
  }
}

template <int kBytes, int kDigits>
QS_INLINE void unpackDigits(const uint8_t* packed, uint8_t* codes) {
  int power = 1;
  for (int digit = 0; digit < kDigits; ++digit, power *= 3) {
    for (int b = 0; b < kBytes; ++b) {
      codes[digit * kBytes + b] = static_cast<uint8_t>((static_cast<uint8_t>(packed[b] * power) * 3) >> 8);
    }
  }
}

}  // namespace

void encodeTQ1_0(const float* x, void* out, Rows rows) {
  auto* block = static_cast<BlockTQ1_0*>(out);
  for (size_t left = rows.count * rows.columns / kSuperBlock; left > 0; --left, x += kSuperBlock, ++block) {
    uint8_t codes[kSuperBlock];
    block->d = halfFromFloat(ternaryCodes(x, codes));
    packDigits<32, 5>(codes, block->qs);
    packDigits<16, 5>(codes + 160, block->qs + 32);
    packDigits<4, 4>(codes + 240, block->qh);
  }
}

void encodeTQ2_0(const float* x, void* out, Rows rows) {
  auto* block = static_cast<BlockTQ2_0*>(out);
  for (size_t left = rows.count * rows.columns / kSuperBlock; left > 0; --left, x += kSuperBlock, ++block) {
    uint8_t codes[kSuperBlock];
    block->d = halfFromFloat(ternaryCodes(x, codes));
    for (int half = 0; half < 2; ++half) {
      const uint8_t* q = codes + half * 128;
      for (int i = 0; i < 32; ++i) {
        const int packed = (q[i] & 3) | ((q[i + 32] & 3) << 2) | ((q[i + 64] & 3) << 4) | ((q[i + 96] & 3) << 6);
        block->qs[half * 32 + i] = static_cast<uint8_t>(packed);
      }
    }
  }
}

void decodeTQ1_0(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockTQ1_0*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, y += kSuperBlock, ++block) {
    uint8_t codes[kSuperBlock];
    unpackDigits<32, 5>(block->qs, codes);
    unpackDigits<16, 5>(block->qs + 32, codes + 160);
    unpackDigits<4, 4>(block->qh, codes + 240);
    const F32 d = splat(floatFromHalf(block->d));
    for (int i = 0; i < kSuperBlock; i += kLanes) store(y + i, toFloats(loadBytes(codes + i) - splat(1)) * d);
  }
}

void decodeTQ2_0(const void* in, float* y, size_t n) {
  const auto* block = static_cast<const BlockTQ2_0*>(in);
  for (size_t left = n / kSuperBlock; left > 0; --left, ++block) {
    const F32 d = splat(floatFromHalf(block->d));
    for (int half = 0; half < 2; ++half) {
      for (int plane = 0; plane < 4; ++plane, y += 32) {
        for (int i = 0; i < 32; i += kLanes) {
          const I32 q = (loadBytes(block->qs + half * 32 + i) >> (2 * plane)) & splat(3);
          store(y + i, toFloats(q - splat(1)) * d);
        }
      }
    }
  }
}

}  // namespace qs::QS_TARGET
