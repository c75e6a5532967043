#include "arguments.h"

#include <cmath>

namespace qs::binding {
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

}  // namespace qs::binding
