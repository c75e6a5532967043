#include "schemes.h"

#include <algorithm>
#include <cmath>

#include "affine.h"
#include "floats.h"
#include "levels.h"

namespace qs::QS_TARGET {
namespace {

constexpr size_t kPiece = 4096;  // weights coded at a time before 4-bit codes are packed; even

Range rangeOf(const float* x, size_t n) {
  Range range{x[0], x[0]};
  for (size_t i = 1; i < n; ++i) {
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return range;
}

/// Integer formats put the even element in the low nibble; NF4 in the high one, as bitsandbytes does.
int evenShift(const Scheme& scheme) { return scheme.kind == SchemeKind::Nf4 ? 4 : 0; }

void packNibbles(const uint8_t* codes, size_t first, size_t n, int shift, uint8_t* row) {
  for (size_t i = 0; i < n; ++i) {
    const size_t position = first + i;
    const int by = position % 2 == 0 ? shift : 4 - shift;
    uint8_t& byte = row[position / 2];
    byte = static_cast<uint8_t>(position % 2 == 0 ? codes[i] << by : byte | (codes[i] << by));
  }
}

void unpackNibbles(const uint8_t* row, size_t first, size_t n, int shift, uint8_t* codes) {
  for (size_t i = 0; i < n; ++i) {
    const size_t position = first + i;
    codes[i] = (row[position / 2] >> (position % 2 == 0 ? shift : 4 - shift)) & 15;
  }
}

void encodeFp8(const Scheme& scheme, const float* x, size_t n, Range range, uint8_t* codes, float& scale) {
  const Fp8& kind = scheme.e5m2 ? kE5M2 : kE4M3;
  const float s = kind.largest / std::max(std::fabs(range.min), std::fabs(range.max));
  scale = std::isfinite(s) ? s : 0.0f;
  for (size_t i = 0; i < n; ++i) codes[i] = fp8FromFloat(x[i] * scale, kind);
}

void decodeFp8(const Scheme& scheme, const uint8_t* codes, size_t n, float scale, float* y) {
  const Fp8& kind = scheme.e5m2 ? kE5M2 : kE4M3;
  for (size_t i = 0; i < n; ++i) y[i] = scale == 0.0f ? 0.0f : floatFromFp8(codes[i], kind) / scale;
}

/// NF4 with weights divided by absmax.
const WeightGrid& nf4Grid() {
  static const WeightGrid grid = [] {
    WeightGrid found;
    found.levels.kind = Levels::Kind::Table;
    found.levels.table = nf4Table();
    found.table = tableOf(found.levels);
    return found;
  }();
  return grid;
}

void encodeGroup(const Scheme& scheme, const float* x, size_t n, Range range, uint8_t* codes, float& scale, float& zero) {
  switch (scheme.kind) {
    case SchemeKind::Affine:
      return encodeAffineGroup(scheme.rule, scheme.bits, x, n, range, codes, scale, zero);
    case SchemeKind::Nf4:
      scale = std::max(std::fabs(range.min), std::fabs(range.max));
      return encodeGridRow(nf4Grid(), x, {n, n, &scale, nullptr, nullptr, 0.0f}, codes);
    case SchemeKind::Fp8:
      return encodeFp8(scheme, x, n, range, codes, scale);
    case SchemeKind::Ggml:
      return;  // whole blocks: codec.h
  }
}

void decodeGroup(const Scheme& scheme, const uint8_t* codes, size_t n, float scale, float zero, float* y) {
  switch (scheme.kind) {
    case SchemeKind::Affine:
      return decodeAffineGroup(scheme.rule, scheme.bits, codes, n, scale, zero, y);
    case SchemeKind::Nf4:
      return decodeGridRow(nf4Grid(), codes, {n, n, &scale, nullptr, nullptr, 0.0f}, y);
    case SchemeKind::Fp8:
      return decodeFp8(scheme, codes, n, scale, y);
    case SchemeKind::Ggml:
      return;
  }
}

}  // namespace

void encodeSchemeRow(const Scheme& scheme, const float* x, size_t columns, Range range, RowView row) {
  const size_t length = groupLength(scheme, columns);
  const bool packed = isFourBit(scheme);
  uint8_t piece[kPiece];
  for (size_t start = 0, group = 0; start < columns; start += length, ++group) {
    const size_t n = std::min(length, columns - start);
    const Range used = scheme.group == kGroupTensor ? range : rangeOf(x + start, n);
    float scale = 0.0f;
    float zero = 0.0f;
    if (!packed) {
      encodeGroup(scheme, x + start, n, used, row.codes + start, scale, zero);
    } else {
      for (size_t done = 0; done < n; done += kPiece) {
        const size_t count = std::min(kPiece, n - done);
        encodeGroup(scheme, x + start + done, count, used, piece, scale, zero);
        packNibbles(piece, start + done, count, evenShift(scheme), row.codes);
      }
    }
    if (scheme.group == kGroupTensor && scheme.kind != SchemeKind::Nf4) continue;  // written once by the caller
    row.scales[group] = scale;
    if (row.zeros != nullptr) row.zeros[group] = zero;
  }
}

void decodeSchemeRow(const Scheme& scheme, const RowView& row, size_t columns, float* y) {
  const size_t length = groupLength(scheme, columns);
  const bool packed = isFourBit(scheme);
  uint8_t piece[kPiece];
  for (size_t start = 0, group = 0; start < columns; start += length, ++group) {
    const size_t n = std::min(length, columns - start);
    const size_t index = scheme.group == kGroupTensor ? 0 : group;
    const float scale = row.scales[index];
    const float zero = row.zeros != nullptr ? row.zeros[index] : 0.0f;
    if (!packed) {
      decodeGroup(scheme, row.codes + start, n, scale, zero, y + start);
      continue;
    }
    for (size_t done = 0; done < n; done += kPiece) {
      const size_t count = std::min(kPiece, n - done);
      unpackNibbles(row.codes, start + done, count, evenShift(scheme), piece);
      decodeGroup(scheme, piece, count, scale, zero, y + start + done);
    }
  }
}

}  // namespace qs::QS_TARGET
