// What the addon exports.
#include <string>

#include "../kernels/kernels.h"
#include "errors.h"
#include "functions.h"
#include "scan_object.h"

namespace qs::binding {
namespace {

const char* importanceName(Importance importance) {
  switch (importance) {
    case Importance::Unused:
      return "unused";
    case Importance::Optional:
      return "optional";
    case Importance::Required:
      return "required";
  }
  return "unused";
}

Napi::Array codecObjects(Napi::Env env) {
  auto list = Napi::Array::New(env);
  for (const Codec& codec : kernels().codecs) {
    auto object = Napi::Object::New(env);
    object.Set("name", codec.name);
    object.Set("block", static_cast<double>(codec.block));
    object.Set("bytes", static_cast<double>(codec.bytes));
    object.Set("encodes", codec.encode != nullptr);
    object.Set("importance", importanceName(codec.importance));
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto paths = Napi::Array::New(env);
  for (const Kernels* table : availableKernels()) paths.Set(paths.Length(), std::string(table->name));
  exports.Set("simdPaths", paths);
  exports.Set("simd", Napi::Function::New<Guarded<Simd>>(env));
  exports.Set("setSimd", Napi::Function::New<Guarded<SetSimd>>(env));
  exports.Set("codecs", codecObjects(env));
  exports.Set("setThreads", Napi::Function::New<Guarded<SetThreads>>(env));
  exports.Set("decode", Napi::Function::New<Guarded<Decode>>(env));
  exports.Set("encodeRows", Napi::Function::New<Guarded<EncodeRows>>(env));
  exports.Set("measureRows", Napi::Function::New<Guarded<MeasureRows>>(env));
  exports.Set("measureRange", Napi::Function::New<Guarded<MeasureRange>>(env));
  exports.Set("recodeRows", Napi::Function::New<Guarded<RecodeRows>>(env));
  exports.Set("checkBlocks", Napi::Function::New<Guarded<CheckBlocks>>(env));
  exports.Set("levelLayout", Napi::Function::New<Guarded<LevelLayoutOf>>(env));
  exports.Set("readLevels", Napi::Function::New<Guarded<ReadLevels>>(env));
  exports.Set("gridParameters", Napi::Function::New<Guarded<GridParameters>>(env));
  exports.Set("clippedParameters", Napi::Function::New<Guarded<ClippedParameters>>(env));
  exports.Set("gridCodes", Napi::Function::New<Guarded<GridCodes>>(env));
  exports.Set("gridWeights", Napi::Function::New<Guarded<GridWeights>>(env));
  exports.Set("storedScales", Napi::Function::New<Guarded<StoredScales>>(env));
  exports.Set("errorSums", Napi::Function::New<Guarded<SumErrors>>(env));
  exports.Set("accumulateLogits", Napi::Function::New<Guarded<AccumulateLogits>>(env));
  exports.Set("accumulateGram", Napi::Function::New<Guarded<AccumulateGram>>(env));
  exports.Set("outputErrors", Napi::Function::New<Guarded<OutputErrors>>(env));
  exports.Set("factorSize", Napi::Function::New<Guarded<FactorSize>>(env));
  exports.Set("factorHessian", Napi::Function::New<Guarded<FactorHessian>>(env));
  exports.Set("startBlock", Napi::Function::New<Guarded<StartBlock>>(env));
  exports.Set("predictColumns", Napi::Function::New<Guarded<PredictColumns>>(env));
  exports.Set("quantizeColumns", Napi::Function::New<Guarded<QuantizeColumns>>(env));
  exports.Set("followColumns", Napi::Function::New<Guarded<FollowColumns>>(env));
  exports.Set("blockParameters", Napi::Function::New<Guarded<BlockParameters>>(env));
  exports.Set("setBlockCodes", Napi::Function::New<Guarded<SetBlockCodes>>(env));
  exports.Set("adamStep", Napi::Function::New<Guarded<AdamStep>>(env));
  exports.Set("nearestLevels", Napi::Function::New<Guarded<NearestLevels>>(env));
  exports.Set("blockProducts", Napi::Function::New<Guarded<BlockProducts>>(env));
  exports.Set("tileHessian", Napi::Function::New<Guarded<TileHessian>>(env));
  exports.Set("descendBlocks", Napi::Function::New<Guarded<DescendBlocks>>(env));
  exports.Set("descendBothSides", Napi::Function::New<Guarded<DescendBothSides>>(env));
  exports.Set("quantizeLattices", Napi::Function::New<Guarded<QuantizeLattices>>(env));
  exports.Set("descendOwnHessians", Napi::Function::New<Guarded<DescendOwnHessians>>(env));
  exports.Set("groupLimits", Napi::Function::New<Guarded<GroupLimits>>(env));
  exports.Set("limitGroups", Napi::Function::New<Guarded<LimitGroups>>(env));
  exports.Set("scaleColumns", Napi::Function::New<Guarded<ScaleColumns>>(env));
  exports.Set("copyBandwidth", Napi::Function::New<Guarded<CopyBandwidth>>(env));
  exports.Set("histogram", Napi::Function::New<Guarded<HistogramInto>>(env));
  exports.Set("Scan", defineScan(env));
  return exports;
}

}  // namespace
}  // namespace qs::binding

using qs::binding::Init;
NODE_API_MODULE(quantscope, Init)
