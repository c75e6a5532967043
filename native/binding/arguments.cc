#include "arguments.h"

#include <cmath>

namespace qs::binding {
namespace {

/// Blocks are even, as two 4-bit codes share a byte, and no longer than what the kernels pack at once (schemes.cc).
int blockOf(const Napi::Value& value) {
  constexpr size_t kMost = 4096;
  const size_t block = sizeOf(value, "the block");
  if (block == 0 || block > kMost || block % 2 != 0) {
    throw Napi::RangeError::New(value.Env(), "a block must have an even number of weights, at most 4096");
  }
  return static_cast<int>(block);
}

int groupOf(const Napi::Value& value) {
  if (value.IsNumber()) return blockOf(value);
  return stringOf(value) == "row" ? kGroupRow : kGroupTensor;
}

AffineRule ruleOf(const std::string& name) {
  if (name == "absmax") return AffineRule::Absmax;
  return name == "zero-point" ? AffineRule::ZeroPoint : AffineRule::MinMax;
}

}  // namespace

CancelFlag cancelFlag(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  return reinterpret_cast<CancelFlag>(spanOf<int32_t>(value, napi_int32_array, "cancel").data());
}

size_t sizeOf(const Napi::Value& value, const char* name) {
  constexpr double kMost = 9007199254740992.0;  // 2^53: JavaScript numbers are exact below it
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number < kMost && std::floor(number) == number)) {
    throw Napi::RangeError::New(value.Env(), std::string(name) + " is not a count");
  }
  return static_cast<size_t>(number);
}

std::string stringOf(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }
float floatOf(const Napi::Value& value) { return value.As<Napi::Number>().FloatValue(); }

const Codec& codecOf(const Napi::Value& dtype) {
  const std::string name = stringOf(dtype);
  const Codec* codec = codecNamed(name);
  if (codec == nullptr) throw Napi::Error::New(dtype.Env(), "there is no decoder for " + name);
  return *codec;
}

Scheme schemeOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto text = [&](const char* key) { return stringOf(object.Get(key)); };
  const std::string kind = text("kind");
  Scheme scheme;
  if (kind == "affine") {
    scheme.rule = ruleOf(text("rule"));
    scheme.bits = object.Get("bits").As<Napi::Number>().Int32Value();
    if (scheme.bits != 4 && scheme.bits != 8) throw Napi::RangeError::New(value.Env(), "codes must have 4 or 8 bits");
    scheme.group = groupOf(object.Get("group"));
  } else if (kind == "nf4") {
    scheme.kind = SchemeKind::Nf4;
    scheme.group = blockOf(object.Get("block"));
  } else if (kind == "fp8") {
    scheme.kind = SchemeKind::Fp8;
    scheme.e5m2 = text("variant") == "e5m2";
    scheme.group = groupOf(object.Get("group"));
  } else if (kind == "ggml") {
    scheme.kind = SchemeKind::Ggml;
    const Codec* codec = codecNamed(text("type"));
    if (codec == nullptr || codec->encode == nullptr) {
      throw Napi::Error::New(value.Env(), "there is no encoder for " + text("type"));
    }
    scheme.ggmlType = codec->name;
  } else {
    throw Napi::TypeError::New(value.Env(), "there is no scheme " + kind);
  }
  return scheme;
}

}  // namespace qs::binding
