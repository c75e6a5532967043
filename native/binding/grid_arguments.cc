#include "grid_arguments.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
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

template <typename T>
struct Choice {
  const char* name;
  T value;
};

template <typename T>
T choiceOf(const Napi::Value& value, const char* what, std::initializer_list<Choice<T>> choices) {
  const std::string name = value.IsString() ? stringOf(value) : std::string();
  for (const Choice<T>& choice : choices) {
    if (name == choice.name) return choice.value;
  }
  reject(value.Env(), std::string(what) + " cannot be " + (value.IsString() ? name : std::string("absent")));
}

/// The member's choice, or `otherwise` where it is absent.
template <typename T>
T choiceAt(const Napi::Object& object, const char* key, T otherwise, std::initializer_list<Choice<T>> choices) {
  const Napi::Value value = object.Get(key);
  return value.IsUndefined() ? otherwise : choiceOf(value, key, choices);
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
  enum class Special { Finite, NaN, Ieee };
  const auto special = choiceOf<Special>(object.Get("special"), "special",
                                         {{"finite", Special::Finite}, {"nan", Special::NaN}, {"ieee", Special::Ieee}});
  const uint32_t codes = 1u << (levels.exponent + levels.mantissa);
  levels.largestCode = codes - 1;
  if (special == Special::NaN) levels.largestCode = codes - 2;
  levels.infinities = special == Special::Ieee;
  if (levels.infinities) levels.largestCode = codes - (1u << levels.mantissa) - 1;
  const int exponent = static_cast<int>(levels.largestCode >> levels.mantissa);
  const uint32_t fraction = levels.largestCode & ((1u << levels.mantissa) - 1);
  const uint32_t whole = exponent == 0 ? fraction : fraction + (1u << levels.mantissa);
  levels.largest = std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - levels.bias - levels.mantissa);
  if (levels.largestCode == 0) reject(object.Env(), "a float grid has no value but zero");
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
    levels.table = choiceOf<const float*>(object.Get("table"), "table",
                                          {{"nf4", nf4Table()}, {"fp4", fp4Table()}, {"iq4", iq4Table()}});
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

float positiveAt(const Napi::Object& object, const char* key) {
  const float value = numberAt(object, key);
  if (!(value > 0.0f && std::isfinite(value))) reject(object.Env(), std::string(key) + " must be a positive number");
  return value;
}

LeastScale leastOf(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const auto object = value.As<Napi::Object>();
  if (has(object, "range")) return {LeastScale::Kind::Range, positiveAt(object, "range")};
  if (!has(object, "scale")) return {LeastScale::Kind::Zeros, positiveAt(object, "zeros")};
  return {flagAt(object, "zeros") ? LeastScale::Kind::ZeroScale : LeastScale::Kind::Scale, positiveAt(object, "scale")};
}

Arithmetic arithmeticAt(const Napi::Object& object, const char* key, Arithmetic otherwise) {
  return choiceAt<Arithmetic>(object, key, otherwise, {{"F16", Arithmetic::F16}, {"BF16", Arithmetic::BF16}});
}

void readRounding(const Napi::Value& value, WeightGrid& grid) {
  if (value.IsUndefined()) return;
  const auto object = value.As<Napi::Object>();
  grid.by = choiceAt<Quotient>(object, "by", Quotient::Divide,
                               {{"reciprocal", Quotient::Reciprocal}, {"inverse", Quotient::Inverse}});
  grid.half = choiceAt<Half>(object, "half", Half::Even, {{"away", Half::Away}, {"up", Half::Up}});
  grid.exactScales = choiceAt<bool>(object, "from", false, {{"exact", true}});
  grid.zeroBefore = choiceAt<bool>(object, "zero", false, {{"before", true}});
}

}  // namespace

ScaleType scaleTypeOf(const Napi::Value& value) {
  return choiceOf<ScaleType>(value, "scales",
                             {{"F32", ScaleType::F32},
                              {"F16", ScaleType::F16},
                              {"BF16", ScaleType::BF16},
                              {"F8_E8M0", ScaleType::E8M0},
                              {"F8_E4M3", ScaleType::E4M3}});
}

WeightGrid gridOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  WeightGrid grid;
  grid.levels = levelsOf(object.Get("levels").As<Napi::Object>());
  grid.table = tableOf(grid.levels);
  grid.rule = ruleOf(object.Get("rule").As<Napi::Object>());
  grid.scale = scaleTypeOf(object.Get("scale"));
  grid.arithmetic = arithmeticAt(object, "arithmetic", Arithmetic::F32);
  grid.weights = arithmeticAt(object, "weights", grid.arithmetic);
  grid.zero = choiceAt<ZeroKind>(
      object, "zero", ZeroKind::None,
      {{"integer", ZeroKind::Integer}, {"float", ZeroKind::Float}, {"minimum", ZeroKind::Minimum}});
  if (grid.zero != ZeroKind::None && grid.levels.kind != Levels::Kind::Integer) {
    reject(value.Env(), "only integer levels can have a zero point");
  }
  grid.least = leastOf(object.Get("least"));
  readRounding(object.Get("rounding"), grid);
  // Scales that are quantized themselves, as codes are found with the exact ones.
  grid.exactScales = grid.exactScales || has(object, "double");
  grid.hasGlobal = has(object, "global");
  grid.globalFactor = choiceAt<bool>(object, "global", false, {{"factor", true}, {"divisor", false}});
  if (has(object, "perScale")) grid.perScale = positiveAt(object, "perScale");
  return grid;
}

}  // namespace qs::binding
