#include "codecs.h"

#include <cstring>

#include "floats.h"
#include "kquants.h"
#include "legacy.h"

namespace qs {
namespace {

template <typename T>
QS_WIDE void decodeNumbers(const void* in, float* y, size_t n) {
  const auto* bytes = static_cast<const uint8_t*>(in);
  for (size_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    y[i] = static_cast<float>(value);
  }
}

template <float (*convert)(uint16_t)>
QS_WIDE void decodeWords(const void* in, float* y, size_t n) {
  const auto* bytes = static_cast<const uint8_t*>(in);
  for (size_t i = 0; i < n; ++i) {
    uint16_t value;
    std::memcpy(&value, bytes + i * 2, 2);
    y[i] = convert(value);
  }
}

template <uint16_t (*convert)(float)>
QS_WIDE void encodeWords(const float* x, void* out, size_t n) {
  auto* bytes = static_cast<uint8_t*>(out);
  for (size_t i = 0; i < n; ++i) {
    const uint16_t value = convert(x[i]);
    std::memcpy(bytes + i * 2, &value, 2);
  }
}

float widenHalf(uint16_t value) { return floatFromHalf(value); }
float widenBfloat(uint16_t value) { return floatFromBfloat(value); }
uint16_t narrowHalf(float value) { return halfFromFloat(value); }
uint16_t narrowBfloat(float value) { return bfloatFromFloat(value); }

template <const Fp8& kind>
void decodeFp8s(const void* in, float* y, size_t n) {
  const auto* codes = static_cast<const uint8_t*>(in);
  for (size_t i = 0; i < n; ++i) y[i] = floatFromFp8(codes[i], kind);
}

void encodeFloats(const float* x, void* out, size_t n) { std::memcpy(out, x, n * sizeof(float)); }

template <typename Block, void (*decode)(const Block*, float*, size_t)>
void decodeBlocks(const void* in, float* y, size_t n) {
  decode(static_cast<const Block*>(in), y, n);
}

template <typename Block, void (*encode)(const float*, Block*, size_t)>
void encodeBlocks(const float* x, void* out, size_t n) {
  encode(x, static_cast<Block*>(out), n);
}

template <typename Block, void (*decode)(const Block*, float*, size_t)>
constexpr Codec blockDecoder(std::string_view name, size_t block) {
  return {name, block, sizeof(Block), decodeBlocks<Block, decode>, nullptr};
}

template <typename Block, void (*decode)(const Block*, float*, size_t), void (*encode)(const float*, Block*, size_t)>
constexpr Codec blockCodec(std::string_view name, size_t block) {
  return {name, block, sizeof(Block), decodeBlocks<Block, decode>, encodeBlocks<Block, encode>};
}

constexpr Codec kCodecs[] = {
    {"F64", 1, 8, decodeNumbers<double>, nullptr},
    {"F32", 1, 4, decodeNumbers<float>, encodeFloats},
    {"F16", 1, 2, decodeWords<widenHalf>, encodeWords<narrowHalf>},
    {"BF16", 1, 2, decodeWords<widenBfloat>, encodeWords<narrowBfloat>},
    {"I64", 1, 8, decodeNumbers<int64_t>, nullptr},
    {"I32", 1, 4, decodeNumbers<int32_t>, nullptr},
    {"I16", 1, 2, decodeNumbers<int16_t>, nullptr},
    {"I8", 1, 1, decodeNumbers<int8_t>, nullptr},
    {"U64", 1, 8, decodeNumbers<uint64_t>, nullptr},
    {"U32", 1, 4, decodeNumbers<uint32_t>, nullptr},
    {"U16", 1, 2, decodeNumbers<uint16_t>, nullptr},
    {"U8", 1, 1, decodeNumbers<uint8_t>, nullptr},
    {"BOOL", 1, 1, decodeNumbers<uint8_t>, nullptr},
    {"F8_E4M3", 1, 1, decodeFp8s<kE4M3>, nullptr},
    {"F8_E5M2", 1, 1, decodeFp8s<kE5M2>, nullptr},
    blockCodec<BlockQ4_0, decodeQ4_0, encodeQ4_0>("Q4_0", kBlock),
    blockDecoder<BlockQ4_1, decodeQ4_1>("Q4_1", kBlock),
    blockDecoder<BlockQ5_0, decodeQ5_0>("Q5_0", kBlock),
    blockDecoder<BlockQ5_1, decodeQ5_1>("Q5_1", kBlock),
    blockCodec<BlockQ8_0, decodeQ8_0, encodeQ8_0>("Q8_0", kBlock),
    blockDecoder<BlockQ2_K, decodeQ2_K>("Q2_K", kSuperBlock),
    blockDecoder<BlockQ3_K, decodeQ3_K>("Q3_K", kSuperBlock),
    blockCodec<BlockQ4_K, decodeQ4_K, encodeQ4_K>("Q4_K", kSuperBlock),
    blockCodec<BlockQ5_K, decodeQ5_K, encodeQ5_K>("Q5_K", kSuperBlock),
    blockCodec<BlockQ6_K, decodeQ6_K, encodeQ6_K>("Q6_K", kSuperBlock),
};

}  // namespace

std::span<const Codec> codecs() { return kCodecs; }

int codecIndex(std::string_view name) {
  for (size_t i = 0; i < std::size(kCodecs); ++i) {
    if (kCodecs[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

QS_WIDE size_t firstNonFinite(const float* x, size_t n) {
  constexpr uint32_t kExponent = 0x7f800000u;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; ++i) bad |= (bitsOf(x[i]) & kExponent) == kExponent ? 1u : 0u;
  if (bad == 0) return n;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return i;
  }
  return n;
}

}  // namespace qs
