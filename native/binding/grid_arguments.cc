#include "grid_arguments.h"

#include <cmath>
#include <string>

#include "arguments.h"

namespace qs::binding {
namespace {

[[noreturn]] void reject(Napi::Env env, const std::string& message) { throw Napi::RangeError::New(env, message); }

float numberAt(const Napi::Object& object, const char* key) { return floatOf(object.Get(key)); }

int wholeAt(const Napi::Object& object, const char* key, int least, int most) {
  const double value = object.Get(key).IsNumber() ? object.Get(key).As<Napi::Number>().DoubleValue() : NAN;
  if (!(value >= least && value <= most && std::floor(value) == value)) {
    reject(object.Env(), std::string(key) + " must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return static_cast<int>(value);
}

std::string textAt(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? stringOf(value) : std::string();
}

bool has(const Napi::Object& object, const char* key) { return !object.Get(key).IsUndefined(); }

bool flagAt(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean().Value(); }

void readIntegers(const Napi::Object& object, Levels& levels) {
  const int bits = wholeAt(object, "bits", 2, 8);
  levels.bits = bits;
  levels.isSigned = flagAt(object, "signed");
  const int least = levels.isSigned ? -(1 << (bits - 1)) : 0;
  levels.high = static_cast<float>(least + (1 << bits) - 1);
  levels.low = static_cast<float>(least + (flagAt(object, "narrow") ? 1 : 0));
}

/// All values, and the steps of the smallest, must be normal float32.
void readFloats(const Napi::Object& object, Levels& levels) {
  levels.kind = Levels::Kind::Float;
  levels.exponent = wholeAt(object, "exponent", 1, 7);
  levels.mantissa = wholeAt(object, "mantissa", 0, 7 - levels.exponent);
  const int usual = (1 << (levels.exponent - 1)) - 1;
  levels.bias = has(object, "bias") ? wholeAt(object, "bias", (1 << levels.exponent) - 128, 127 - levels.mantissa) : usual;
  const std::string special = textAt(object, "special");
  const uint32_t codes = 1u << (levels.exponent + levels.mantissa);
  levels.largestCode = codes - 1;
  if (special == "nan") levels.largestCode = codes - 2;
  levels.infinities = special == "ieee";
  if (levels.infinities) levels.largestCode = codes - (1u << levels.mantissa) - 1;
  const int exponent = static_cast<int>(levels.largestCode >> levels.mantissa);
  const uint32_t fraction = levels.largestCode & ((1u << levels.mantissa) - 1);
  const uint32_t whole = exponent == 0 ? fraction : fraction + (1u << levels.mantissa);
  levels.largest = std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - levels.bias - levels.mantissa);
  if (levels.largestCode == 0) reject(object.Env(), "a float grid has no value but zero");
}

const float* tableNamed(const std::string& name) {
  if (name == "iq4") return iq4Table();
  return name == "nf4" ? nf4Table() : fp4Table();
}

Levels levelsOf(const Napi::Object& object) {
  Levels levels;
  const std::string kind = textAt(object, "kind");
  if (kind == "integer") {
    readIntegers(object, levels);
  } else if (kind == "float") {
    readFloats(object, levels);
  } else if (kind == "table") {
    levels.kind = Levels::Kind::Table;
    levels.table = tableNamed(textAt(object, "table"));
  } else {
    reject(object.Env(), "there are no levels of kind " + kind);
  }
  return levels;
}

ScaleRule ruleOf(const Napi::Object& object) {
  ScaleRule rule;
  const std::string kind = textAt(object, "kind");
  if (kind == "absmax" || kind == "extreme") {
    rule.kind = kind == "absmax" ? ScaleRule::Kind::Absmax : ScaleRule::Kind::Extreme;
    rule.divisor = numberAt(object, "divisor");
    rule.oneSided = flagAt(object, "oneSided");
    if (!std::isfinite(rule.divisor) || rule.divisor == 0.0f) reject(object.Env(), "the divisor of a scale is 0 or not finite");
  } else if (kind == "range") {
    rule.kind = ScaleRule::Kind::Range;
    rule.widened = flagAt(object, "widened");
  } else if (kind == "exponent") {
    rule.kind = ScaleRule::Kind::Exponent;
    rule.largest = wholeAt(object, "largest", -127, 127);
    rule.up = numberAt(object, "up");
  } else {
    reject(object.Env(), "there is no rule of scales of kind " + kind);
  }
  return rule;
}

LeastScale leastOf(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const auto object = value.As<Napi::Object>();
  if (has(object, "range")) return {LeastScale::Kind::Range, numberAt(object, "range")};
  if (!has(object, "scale")) return {LeastScale::Kind::Zeros, numberAt(object, "zeros")};
  return {flagAt(object, "zeros") ? LeastScale::Kind::ZeroScale : LeastScale::Kind::Scale, numberAt(object, "scale")};
}

Arithmetic arithmeticOf(const std::string& name) {
  if (name == "F16") return Arithmetic::F16;
  return name == "BF16" ? Arithmetic::BF16 : Arithmetic::F32;
}

void readRounding(const Napi::Value& value, WeightGrid& grid) {
  if (value.IsUndefined()) return;
  const auto object = value.As<Napi::Object>();
  const std::string by = textAt(object, "by");
  if (by == "reciprocal") grid.by = Quotient::Reciprocal;
  if (by == "inverse") grid.by = Quotient::Inverse;
  const std::string half = textAt(object, "half");
  if (half == "away") grid.half = Half::Away;
  if (half == "up") grid.half = Half::Up;
  grid.exactScales = textAt(object, "from") == "exact";
  grid.zeroBefore = textAt(object, "zero") == "before";
}

}  // namespace

ScaleType scaleTypeOf(const Napi::Value& value) {
  const std::string name = value.IsString() ? stringOf(value) : std::string();
  if (name == "F32") return ScaleType::F32;
  if (name == "F16") return ScaleType::F16;
  if (name == "BF16") return ScaleType::BF16;
  if (name == "F8_E8M0") return ScaleType::E8M0;
  if (name == "F8_E4M3") return ScaleType::E4M3;
  reject(value.Env(), "scales cannot be " + name);
}

WeightGrid gridOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  WeightGrid grid;
  grid.levels = levelsOf(object.Get("levels").As<Napi::Object>());
  grid.table = tableOf(grid.levels);
  grid.rule = ruleOf(object.Get("rule").As<Napi::Object>());
  grid.scale = scaleTypeOf(object.Get("scale"));
  grid.arithmetic = arithmeticOf(textAt(object, "arithmetic"));
  grid.weights = has(object, "weights") ? arithmeticOf(textAt(object, "weights")) : grid.arithmetic;
  const std::string zero = textAt(object, "zero");
  if (zero == "integer") grid.zero = ZeroKind::Integer;
  if (zero == "float") grid.zero = ZeroKind::Float;
  if (zero == "minimum") grid.zero = ZeroKind::Minimum;
  if (grid.zero != ZeroKind::None && grid.levels.kind != Levels::Kind::Integer) {
    reject(value.Env(), "only integer levels can have a zero point");
  }
  grid.least = leastOf(object.Get("least"));
  readRounding(object.Get("rounding"), grid);
  // Scales that are quantized themselves, as codes are found with the exact ones.
  grid.exactScales = grid.exactScales || has(object, "double");
  grid.hasGlobal = has(object, "global");
  grid.globalFactor = textAt(object, "global") == "factor";
  if (has(object, "perScale")) grid.perScale = numberAt(object, "perScale");
  return grid;
}

}  // namespace qs::binding
