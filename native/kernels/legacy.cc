#include "legacy.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "floats.h"

namespace qs {

// The weight of largest magnitude (the first of equals) is mapped to −8, the code with the larger reach.
QS_WIDE void encodeQ4_0(const float* x, BlockQ4_0* out, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, x += kBlock, ++out) {
    float largest = 0.0f;
    float extreme = 0.0f;
    for (int i = 0; i < kBlock; ++i) {
      if (std::fabs(x[i]) > largest) {
        largest = std::fabs(x[i]);
        extreme = x[i];
      }
    }
    const float d = extreme / -8;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    out->d = halfFromFloat(d);
    for (int i = 0; i < kBlock / 2; ++i) {
      const int low = std::min<int>(15, static_cast<int8_t>(x[i] * inverse + 8.5f));
      const int high = std::min<int>(15, static_cast<int8_t>(x[i + kBlock / 2] * inverse + 8.5f));
      out->qs[i] = static_cast<uint8_t>(low | (high << 4));
    }
  }
}

// Rounds half away from zero, as roundf does.
QS_WIDE void encodeQ8_0(const float* x, BlockQ8_0* out, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, x += kBlock, ++out) {
    float largest = 0.0f;
    for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float d = largest / 127;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    out->d = halfFromFloat(d);
    for (int i = 0; i < kBlock; ++i) out->qs[i] = static_cast<int8_t>(std::round(x[i] * inverse));
  }
}

QS_WIDE void decodeQ4_0(const BlockQ4_0* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, y += kBlock, ++in) {
    const float d = floatFromHalf(in->d);
    for (int i = 0; i < kBlock / 2; ++i) {
      y[i] = static_cast<float>((in->qs[i] & 15) - 8) * d;
      y[i + kBlock / 2] = static_cast<float>((in->qs[i] >> 4) - 8) * d;
    }
  }
}

QS_WIDE void decodeQ4_1(const BlockQ4_1* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, y += kBlock, ++in) {
    const float d = floatFromHalf(in->d);
    const float m = floatFromHalf(in->m);
    for (int i = 0; i < kBlock / 2; ++i) {
      y[i] = static_cast<float>(in->qs[i] & 15) * d + m;
      y[i + kBlock / 2] = static_cast<float>(in->qs[i] >> 4) * d + m;
    }
  }
}

// The fifth bits of the two weights that share byte i.
static QS_INLINE int fifthBit(uint32_t bits, int i) { return static_cast<int>((bits >> i) & 1u) << 4; }

QS_WIDE void decodeQ5_0(const BlockQ5_0* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, y += kBlock, ++in) {
    const float d = floatFromHalf(in->d);
    uint32_t bits;
    std::memcpy(&bits, in->qh, sizeof bits);
    for (int i = 0; i < kBlock / 2; ++i) {
      y[i] = static_cast<float>(((in->qs[i] & 15) | fifthBit(bits, i)) - 16) * d;
      y[i + kBlock / 2] = static_cast<float>(((in->qs[i] >> 4) | fifthBit(bits, i + kBlock / 2)) - 16) * d;
    }
  }
}

QS_WIDE void decodeQ5_1(const BlockQ5_1* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, y += kBlock, ++in) {
    const float d = floatFromHalf(in->d);
    const float m = floatFromHalf(in->m);
    uint32_t bits;
    std::memcpy(&bits, in->qh, sizeof bits);
    for (int i = 0; i < kBlock / 2; ++i) {
      y[i] = static_cast<float>((in->qs[i] & 15) | fifthBit(bits, i)) * d + m;
      y[i + kBlock / 2] = static_cast<float>((in->qs[i] >> 4) | fifthBit(bits, i + kBlock / 2)) * d + m;
    }
  }
}

QS_WIDE void decodeQ8_0(const BlockQ8_0* in, float* y, size_t n) {
  for (size_t block = 0; block < n / kBlock; ++block, y += kBlock, ++in) {
    const float d = floatFromHalf(in->d);
    for (int i = 0; i < kBlock; ++i) y[i] = static_cast<float>(in->qs[i]) * d;
  }
}

}  // namespace qs
