#pragma once
// The formats that are described by a rule and a group of weights that share a scale (src/protocol/formats.ts).
#include <cstddef>
#include <cstdint>

#include "platform.h"

namespace qs {

enum class SchemeKind { Affine, Nf4, Fp8, Ggml };
enum class AffineRule { Absmax, ZeroPoint, MinMax };

// group: 0 the whole tensor, −1 one row, otherwise that many consecutive weights of a row.
inline constexpr int kGroupTensor = 0;
inline constexpr int kGroupRow = -1;

struct Scheme {
  SchemeKind kind = SchemeKind::Affine;
  AffineRule rule = AffineRule::Absmax;
  int bits = 8;
  int group = kGroupTensor;
  bool e5m2 = false;
  const char* ggmlType = nullptr;  // name of a codec
};

struct Range {
  float min;
  float max;
};

// Where one row's codes and its groups' parameters are. For per-tensor groups, `scales` and `zeros` point at the one value.
struct RowView {
  uint8_t* codes;
  float* scales;
  float* zeros;
};

QS_INLINE size_t groupLength(const Scheme& scheme, size_t columns) {
  return scheme.group > 0 && static_cast<size_t>(scheme.group) < columns ? static_cast<size_t>(scheme.group) : columns;
}

QS_INLINE size_t groupsPerRow(const Scheme& scheme, size_t columns) {
  const size_t length = groupLength(scheme, columns);
  return length == 0 ? 0 : (columns + length - 1) / length;
}

QS_INLINE bool isFourBit(const Scheme& scheme) {
  return scheme.kind == SchemeKind::Nf4 || (scheme.kind == SchemeKind::Affine && scheme.bits == 4);
}

// Bytes of codes of a row: one byte per 8-bit code; 4-bit codes two to a byte.
QS_INLINE size_t schemeRowBytes(const Scheme& scheme, size_t columns) {
  return isFourBit(scheme) ? (columns + 1) / 2 : columns;
}

QS_INLINE bool schemeHasZeros(const Scheme& scheme) {
  return scheme.kind == SchemeKind::Affine && scheme.rule != AffineRule::Absmax;
}

}  // namespace qs
