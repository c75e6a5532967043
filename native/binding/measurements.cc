// Errors, ranges, histograms and sums over logits.
#include <memory>

#include "../statistics.h"
#include "arguments.h"
#include "functions.h"
#include "results.h"
#include "task.h"

namespace qs::binding {
namespace {

Napi::Object sumsObject(Napi::Env env, const ErrorSums& sums, size_t count) {
  auto result = Napi::Object::New(env);
  result.Set("count", static_cast<double>(count));
  result.Set("source", sums.source);
  result.Set("decoded", sums.decoded);
  result.Set("error", sums.error);
  result.Set("maxError", sums.largest);
  return result;
}

}  // namespace

// (source, decoded)
Napi::Value SumErrors(const Napi::CallbackInfo& info) {
  const auto source = floatsOf(info[0], "source");
  const auto decoded = floatsOf(info[1], "decoded");
  const auto sums = std::make_shared<ErrorSums>();
  return run(
      info, [=] { *sums = sumErrors(source, decoded); },
      [sums, count = source.size()](Napi::Env env) -> Napi::Value { return sumsObject(env, *sums, count); });
}

// (dtype, source, type, columns, min, max, counts?, importance?, cancel?)
Napi::Value MeasureRows(const Napi::CallbackInfo& info) {
  const Codec& codec = codecOf(info[0]);
  const auto source = bytesOf(info[1], "source");
  const Codec& type = codecOf(info[2]);
  const size_t columns = sizeOf(info[3], "columns");
  const auto counts = info[6].IsUndefined() ? std::span<double>{} : doublesOf(info[6], "counts");
  const Histogram histogram{floatOf(info[4]), floatOf(info[5]), counts};
  const auto importance = optionalFloats(info[7], "importance");
  const CancelFlag cancelled = cancelFlag(info[8]);
  const auto found = std::make_shared<Measured>();
  return run(
      info,
      [=, &codec, &type] { *found = measureRows(codec, source, type, columns, importance, histogram, cancelled); },
      [found, count = source.size() / codec.bytes * codec.block](Napi::Env env) -> Napi::Value {
        auto result = sumsObject(env, found->sums, count);
        result.Set("bad", badWeightObject(env, found->bad));
        return result;
      });
}

// (dtype, source, cancel?)
Napi::Value MeasureRange(const Napi::CallbackInfo& info) {
  const Codec& codec = codecOf(info[0]);
  const auto source = bytesOf(info[1], "source");
  const CancelFlag cancelled = cancelFlag(info[2]);
  const auto found = std::make_shared<MeasuredRange>();
  return run(
      info, [=, &codec] { *found = measureRange(codec, source, cancelled); },
      [found](Napi::Env env) -> Napi::Value {
        auto result = Napi::Object::New(env);
        result.Set("min", found->range.min);
        result.Set("max", found->range.max);
        result.Set("bad", badWeightObject(env, found->bad));
        return result;
      });
}

// (values, min, max, counts)
Napi::Value HistogramInto(const Napi::CallbackInfo& info) {
  const auto values = floatsOf(info[0], "values");
  const float min = floatOf(info[1]);
  const float max = floatOf(info[2]);
  const auto counts = spanOf<double>(info[3], napi_float64_array, "counts");
  return run(info, [=] { histogramOf(values, min, max, counts); });
}

// (logits, base?, columns, firstColumn, targets, sums, cancel?)
Napi::Value AccumulateLogits(const Napi::CallbackInfo& info) {
  const auto logits = floatsOf(info[0], "logits");
  const auto base = optionalFloats(info[1], "base");
  const size_t columns = sizeOf(info[2], "columns");
  const size_t firstColumn = sizeOf(info[3], "firstColumn");
  const auto targets = spanOf<int32_t>(info[4], napi_int32_array, "targets");
  const auto sums = spanOf<double>(info[5], napi_float64_array, "sums");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { accumulateLogits(logits, base, columns, firstColumn, targets, sums, cancelled); });
}

}  // namespace qs::binding
