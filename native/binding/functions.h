#pragma once
// The functions of the module (src/native.ts says what they take). Those that work on arrays return a promise.
#include <napi.h>

namespace qs::binding {

// codecs.cc
Napi::Value Decode(const Napi::CallbackInfo& info);
Napi::Value EncodeRows(const Napi::CallbackInfo& info);
Napi::Value RecodeRows(const Napi::CallbackInfo& info);
Napi::Value CheckBlocks(const Napi::CallbackInfo& info);
Napi::Value LevelLayoutOf(const Napi::CallbackInfo& info);
Napi::Value ReadLevels(const Napi::CallbackInfo& info);

// grids.cc
Napi::Value GridParameters(const Napi::CallbackInfo& info);
Napi::Value ClippedParameters(const Napi::CallbackInfo& info);
Napi::Value GridCodes(const Napi::CallbackInfo& info);
Napi::Value GridWeights(const Napi::CallbackInfo& info);
Napi::Value StoredScales(const Napi::CallbackInfo& info);

// measurements.cc
Napi::Value SumErrors(const Napi::CallbackInfo& info);
Napi::Value MeasureRows(const Napi::CallbackInfo& info);
Napi::Value MeasureRange(const Napi::CallbackInfo& info);
Napi::Value HistogramInto(const Napi::CallbackInfo& info);
Napi::Value AccumulateLogits(const Napi::CallbackInfo& info);

// solvers.cc
Napi::Value AccumulateGram(const Napi::CallbackInfo& info);
Napi::Value OutputErrors(const Napi::CallbackInfo& info);
Napi::Value GroupLimits(const Napi::CallbackInfo& info);
Napi::Value LimitGroups(const Napi::CallbackInfo& info);
Napi::Value ScaleColumns(const Napi::CallbackInfo& info);

// columns.cc
Napi::Value FactorSize(const Napi::CallbackInfo& info);
Napi::Value FactorHessian(const Napi::CallbackInfo& info);
Napi::Value StartBlock(const Napi::CallbackInfo& info);
Napi::Value PredictColumns(const Napi::CallbackInfo& info);
Napi::Value QuantizeColumns(const Napi::CallbackInfo& info);
Napi::Value FollowColumns(const Napi::CallbackInfo& info);
Napi::Value BlockParameters(const Napi::CallbackInfo& info);
Napi::Value SetBlockCodes(const Napi::CallbackInfo& info);
Napi::Value TileHessian(const Napi::CallbackInfo& info);
Napi::Value DescendBlocks(const Napi::CallbackInfo& info);
Napi::Value DescendBothSides(const Napi::CallbackInfo& info);
Napi::Value QuantizeLattices(const Napi::CallbackInfo& info);
Napi::Value DescendOwnHessians(const Napi::CallbackInfo& info);

// training.cc
Napi::Value AdamStep(const Napi::CallbackInfo& info);
Napi::Value NearestLevels(const Napi::CallbackInfo& info);
Napi::Value BlockProducts(const Napi::CallbackInfo& info);

// machine.cc
Napi::Value SetThreads(const Napi::CallbackInfo& info);
Napi::Value Simd(const Napi::CallbackInfo& info);
Napi::Value SetSimd(const Napi::CallbackInfo& info);
Napi::Value CopyBandwidth(const Napi::CallbackInfo& info);

}  // namespace qs::binding
