#pragma once
// Which values weights can take (src/protocol/grids.ts), in native form, and the parameters of groups of weights.
#include <cstddef>
#include <cstdint>

#include "floats.h"
#include "platform.h"

namespace qs {

enum class Arithmetic { F32, F16, BF16 };
enum class ScaleType { F32, F16, BF16, E8M0, E4M3 };

/// value·1 of a code: an integer, a float of any split, or one of 16 values.
struct Levels {
  enum class Kind { Integer, Float, Table };
  Kind kind = Kind::Integer;
  // Integers: the codes used, and whether they are stored as two's complement.
  int bits = 8;
  float low = -128.0f;
  float high = 127.0f;
  bool isSigned = true;
  // Floats: a sign bit, then exponent and mantissa bits.
  int exponent = 4;
  int mantissa = 3;
  int bias = 7;
  uint32_t largestCode = 0x7e;  // of a finite value
  bool infinities = false;      // the code after it is an infinity; all others above it are NaN
  float largest = 448.0f;
  // Tables: 16 values by code.
  const float* table = nullptr;
};

/// NF4 (QLoRA) and FP4 of bitsandbytes, by code.
const float* nf4Table();
const float* fp4Table();
/// The uneven table of ggml's IQ4_NL and IQ4_XS, by code.
const float* iq4Table();

struct ScaleRule {
  enum class Kind { Absmax, Extreme, Range, Exponent };
  Kind kind = Kind::Absmax;
  float divisor = 127.0f;
  bool oneSided = false;
  bool widened = false;
  int largest = 2;   // exponent of the largest level
  float up = 2.0f;   // mantissa from which the exponent is one larger
};

struct LeastScale {
  enum class Kind { None, Scale, ZeroScale, Range, Zeros };
  Kind kind = Kind::None;
  float value = 0.0f;
};

enum class Half { Even, Away, Up };
enum class Quotient { Divide, Reciprocal, Inverse };
enum class ZeroKind { None, Integer, Float, Minimum };

/// What kernels look up of levels that are not integers.
struct LevelTable {
  int32_t values[256] = {};  // bits of the float32 value of each code
  // Of tables: codes in ascending order of their values, and the midpoints between these.
  int midpoints = 0;
  float midpoint[15] = {};
  int32_t order[16] = {};
};

struct WeightGrid {
  Levels levels;
  LevelTable table;  // `tableOf` of the levels
  ScaleRule rule;
  ScaleType scale = ScaleType::F32;
  Arithmetic weights = Arithmetic::F32;  // what they are cast to first
  Arithmetic arithmetic = Arithmetic::F32;
  ZeroKind zero = ZeroKind::None;
  LeastScale least;
  Quotient by = Quotient::Divide;
  Half half = Half::Even;
  bool exactScales = false;
  bool zeroBefore = false;
  bool hasGlobal = false;
  bool globalFactor = false;
  float perScale = 0.0f;  // 0: scales are per code
};

QS_INLINE float rounded(float value, Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::F16:
      return floatFromHalf(halfFromFloat(value));
    case Arithmetic::BF16:
      return floatFromBfloat(bfloatFromFloat(value));
    case Arithmetic::F32:
      return value;
  }
  return value;
}

LevelTable tableOf(const Levels& levels);

/// Bits of a code.
QS_INLINE int bitsOfCode(const Levels& levels) {
  if (levels.kind == Levels::Kind::Float) return 1 + levels.exponent + levels.mantissa;
  return levels.kind == Levels::Kind::Table ? 4 : levels.bits;
}

/// A scale as its dtype stores it: E8M0 up to a power of two, others to nearest.
float storedScale(float scale, ScaleType type);

/// The scale that codes of a group are multiplied by: its own over that of the tensor (0: there is none).
QS_INLINE float effectiveScale(const WeightGrid& grid, float scale, float globalScale) {
  if (globalScale == 0.0f) return scale;
  return grid.globalFactor ? scale * globalScale : scale / globalScale;
}

/// What weights are multiplied by to give codes, as it follows from a scale; where they are not divided by the scale.
QS_INLINE float inverseOf(const WeightGrid& grid, float scale) {
  if (scale == 0.0f) return 0.0f;
  const float inverse = rounded(1.0f / scale, grid.arithmetic);
  return grid.perScale == 0.0f ? inverse : inverse * grid.perScale;
}

/// Extremes of the weights of a group.
struct GroupSpan {
  float min = 0.0f;
  float max = 0.0f;
};

struct GroupParameters {
  float scale = 0.0f;
  float zero = 0.0f;
  float inverse = 0.0f;  // what weights are multiplied by; the scale may be its rounded reciprocal
};

/// Where the parameters of groups are written; `zeros` and `inverses` may be null.
struct ParameterTarget {
  float* scales;
  float* zeros;
  float* inverses;

  void set(size_t group, const GroupParameters& found) const {
    scales[group] = found.scale;
    if (zeros != nullptr) zeros[group] = found.zero;
    if (inverses != nullptr) inverses[group] = found.inverse;
  }
};

/// Scale (rounded to its dtype unless codes are found with exact ones), its inverse and the zero point of a group.
GroupParameters parametersOf(const WeightGrid& grid, GroupSpan span, float globalScale);

}  // namespace qs
