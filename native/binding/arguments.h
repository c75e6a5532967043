#pragma once
// Reads the arguments of a call: typed arrays as spans, counts and dtypes. Each throws a JavaScript error that says
// which argument is wrong.
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

#include "../operations.h"
#include "../rows.h"

namespace qs::binding {

template <typename T>
std::span<T> spanOf(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " is not a typed array of the expected type");
  }
  const auto array = value.As<Napi::TypedArray>();
  auto* bytes = static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return {reinterpret_cast<T*>(bytes), array.ElementLength()};
}

inline std::span<uint8_t> bytesOf(const Napi::Value& value, const char* name) {
  return spanOf<uint8_t>(value, napi_uint8_array, name);
}
inline std::span<float> floatsOf(const Napi::Value& value, const char* name) {
  return spanOf<float>(value, napi_float32_array, name);
}
inline std::span<double> doublesOf(const Napi::Value& value, const char* name) {
  return spanOf<double>(value, napi_float64_array, name);
}
inline std::span<int32_t> intsOf(const Napi::Value& value, const char* name) {
  return spanOf<int32_t>(value, napi_int32_array, name);
}
inline std::span<float> optionalFloats(const Napi::Value& value, const char* name) {
  return value.IsUndefined() ? std::span<float>{} : floatsOf(value, name);
}

/// The first element of an Int32Array, or null for undefined.
CancelFlag cancelFlag(const Napi::Value& value);

/// A whole number from 0 to 2^53 − 1.
size_t sizeOf(const Napi::Value& value, const char* name);

std::string stringOf(const Napi::Value& value);
float floatOf(const Napi::Value& value);

/// The codec of a dtype.
const Codec& codecOf(const Napi::Value& dtype);

}  // namespace qs::binding
