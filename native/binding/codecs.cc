// Encoding and decoding whole rows.
#include <algorithm>
#include <memory>

#include "../solvers/block_levels.h"
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

// (type, source, columns, importance?, codes, cancel?)
Napi::Value EncodeRows(const Napi::CallbackInfo& info) {
  const Codec& codec = codecOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const size_t columns = sizeOf(info[2], "columns");
  const auto importance = optionalFloats(info[3], "importance");
  const auto codes = bytesOf(info[4], "codes");
  const CancelFlag cancelled = cancelFlag(info[5]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=, &codec] { *bad = encodeRows(codec, source, columns, importance, codes, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
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

// (type)
Napi::Value LevelLayoutOf(const Napi::CallbackInfo& info) {
  const LevelLayout layout = levelLayoutOf(stringOf(info[0]));
  auto result = Napi::Object::New(info.Env());
  result.Set("weights", static_cast<double>(layout.weights));
  result.Set("group", static_cast<double>(layout.group));
  result.Set("hasZeros", layout.hasZeros);
  result.Set("hasFactors", layout.hasFactors);
  auto levels = Napi::Float32Array::New(info.Env(), layout.levels.size());
  std::copy(layout.levels.begin(), layout.levels.end(), levels.Data());
  result.Set("levels", levels);
  return result;
}

// (type, blocks, levels, scales, zeros?, factors?, cancel?)
Napi::Value ReadLevels(const Napi::CallbackInfo& info) {
  const std::string type = stringOf(info[0]);
  const auto blocks = bytesOf(info[1], "blocks");
  const LevelTarget target{floatsOf(info[2], "levels"), floatsOf(info[3], "scales"), optionalFloats(info[4], "zeros"),
                           optionalFloats(info[5], "factors")};
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { readLevels(type, blocks, target, cancelled); });
}

}  // namespace qs::binding
