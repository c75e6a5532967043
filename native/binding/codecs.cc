// Encoding and decoding whole rows.
#include <memory>

#include "arguments.h"
#include "functions.h"
#include "results.h"
#include "task.h"

namespace qs::binding {

Napi::Value badWeightObject(Napi::Env env, const BadWeight& bad) {
  if (bad.kind == BadWeight::Kind::None) return env.Undefined();
  static constexpr const char* kNames[] = {"", "NaN", "infinite", "too large", "in block"};
  auto result = Napi::Object::New(env);
  result.Set("kind", kNames[static_cast<size_t>(bad.kind)]);
  result.Set("index", static_cast<double>(bad.index));
  return result;
}

// (dtype, source, target, cancel?)
Napi::Value Decode(const Napi::CallbackInfo& info) {
  const Codec& codec = codecOf(info[0]);
  const auto source = bytesOf(info[1], "source");
  const auto target = floatsOf(info[2], "target");
  const CancelFlag cancelled = cancelFlag(info[3]);
  return run(info, [=, &codec] { decodeTensor(codec, source, target, cancelled); });
}

// (scheme, source, columns, min, max, codes, scales?, zeros?, importance?, cancel?)
Napi::Value EncodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const size_t columns = sizeOf(info[2], "columns");
  const Range range{floatOf(info[3]), floatOf(info[4])};
  const EncodedView target{bytesOf(info[5], "codes"), optionalFloats(info[6], "scales"), optionalFloats(info[7], "zeros")};
  const auto importance = optionalFloats(info[8], "importance");
  const CancelFlag cancelled = cancelFlag(info[9]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=] { *bad = encodeRows(scheme, source, columns, range, importance, target, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (scheme, codes, scales?, zeros?, columns, target, cancel?)
Napi::Value DecodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const EncodedView source{bytesOf(info[1], "codes"), optionalFloats(info[2], "scales"), optionalFloats(info[3], "zeros")};
  const size_t columns = sizeOf(info[4], "columns");
  const auto target = floatsOf(info[5], "target");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { decodeRows(scheme, source, columns, target, cancelled); });
}

// (from, source, to, columns, shift, importance?, target, cancel?)
Napi::Value RecodeRows(const Napi::CallbackInfo& info) {
  const Codec& from = codecOf(info[0]);
  const auto source = bytesOf(info[1], "source");
  const Codec& to = codecOf(info[2]);
  const size_t columns = sizeOf(info[3], "columns");
  const float shift = floatOf(info[4]);
  const auto importance = optionalFloats(info[5], "importance");
  const auto target = bytesOf(info[6], "target");
  const CancelFlag cancelled = cancelFlag(info[7]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=, &from, &to] { *bad = recodeRows(from, source, to, columns, shift, importance, target, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (dtype, source, cancel?)
Napi::Value CheckBlocks(const Napi::CallbackInfo& info) {
  const Codec& codec = codecOf(info[0]);
  const auto source = bytesOf(info[1], "source");
  const CancelFlag cancelled = cancelFlag(info[2]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=, &codec] { *bad = checkBlocks(codec, source, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

}  // namespace qs::binding
