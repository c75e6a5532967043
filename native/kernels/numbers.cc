#include "numbers.h"

#include <cstring>

#include "floats.h"

namespace qs::QS_TARGET {
namespace {

QS_INLINE size_t weightsOf(Rows rows) { return rows.count * rows.columns; }

template <typename T>
QS_INLINE T readAt(const void* in, size_t index) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(in) + index * sizeof(T), sizeof(T));
  return value;
}

/// What each code of an 8-bit float stands for.
struct ByteValues {
  float of[256];

  explicit ByteValues(const Fp8& kind) {
    for (size_t code = 0; code < 256; ++code) of[code] = floatFromFp8(static_cast<uint8_t>(code), kind);
  }

  QS_INLINE void decode(const void* in, float* y, size_t n) const {
    const auto* codes = static_cast<const uint8_t*>(in);
    for (size_t i = 0; i < n; ++i) y[i] = of[codes[i]];
  }
};

}  // namespace

template <typename T>
void decodeNumbers(const void* in, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = static_cast<float>(readAt<T>(in, i));
}

template void decodeNumbers<double>(const void*, float*, size_t);
template void decodeNumbers<float>(const void*, float*, size_t);
template void decodeNumbers<int64_t>(const void*, float*, size_t);
template void decodeNumbers<int32_t>(const void*, float*, size_t);
template void decodeNumbers<int16_t>(const void*, float*, size_t);
template void decodeNumbers<int8_t>(const void*, float*, size_t);
template void decodeNumbers<uint64_t>(const void*, float*, size_t);
template void decodeNumbers<uint32_t>(const void*, float*, size_t);
template void decodeNumbers<uint16_t>(const void*, float*, size_t);
template void decodeNumbers<uint8_t>(const void*, float*, size_t);

void encodeF32(const float* x, void* out, Rows rows) { std::memcpy(out, x, weightsOf(rows) * sizeof(float)); }

void encodeF16(const float* x, void* out, Rows rows) {
  const size_t n = weightsOf(rows);
  auto* bytes = static_cast<uint8_t*>(out);
  uint16_t halves[kLanes];
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    storeHalves(halves, load(x + i));
    std::memcpy(bytes + 2 * i, halves, sizeof halves);
  }
  for (; i < n; ++i) {
    const uint16_t value = halfFromFloat(x[i]);
    std::memcpy(bytes + 2 * i, &value, sizeof value);
  }
}

void encodeBF16(const float* x, void* out, Rows rows) {
  auto* bytes = static_cast<uint8_t*>(out);
  for (size_t i = 0; i < weightsOf(rows); ++i) {
    const uint16_t value = bfloatFromFloat(x[i]);
    std::memcpy(bytes + 2 * i, &value, sizeof value);
  }
}

void decodeF16(const void* in, float* y, size_t n) {
  uint16_t halves[kLanes];
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    std::memcpy(halves, static_cast<const uint8_t*>(in) + 2 * i, sizeof halves);
    store(y + i, loadHalves(halves));
  }
  for (; i < n; ++i) y[i] = floatFromHalf(readAt<uint16_t>(in, i));
}

void decodeBF16(const void* in, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = floatFromBfloat(readAt<uint16_t>(in, i));
}

void decodeE4M3(const void* in, float* y, size_t n) {
  static const ByteValues values(kE4M3);
  values.decode(in, y, n);
}

void decodeE5M2(const void* in, float* y, size_t n) {
  static const ByteValues values(kE5M2);
  values.decode(in, y, n);
}

}  // namespace qs::QS_TARGET
