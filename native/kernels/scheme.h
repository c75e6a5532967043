#pragma once
// The formats that are described by a rule and a group of weights that share a scale (src/protocol/formats.ts).
#include <cstddef>
#include <cstdint>

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
  int ggmlType = -1;  // index into the table of codecs.cc
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

size_t groupsPerRow(const Scheme& scheme, size_t columns);
// Bytes of codes of a row: one byte per 8-bit code; 4-bit codes two to a byte.
size_t schemeRowBytes(const Scheme& scheme, size_t columns);
bool schemeHasZeros(const Scheme& scheme);

// Affine, NF4 and FP8 rows. `range` is that of the whole tensor, used by per-tensor groups.
void encodeSchemeRow(const Scheme& scheme, const float* x, size_t columns, Range range, RowView row);
void decodeSchemeRow(const Scheme& scheme, const RowView& row, size_t columns, float* y);

}  // namespace qs
