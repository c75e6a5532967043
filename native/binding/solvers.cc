// Sums of products of inputs, and methods that use them.
#include "../solvers/gram.h"
#include "../solvers/limits.h"
#include "../solvers/outputs.h"
#include "arguments.h"
#include "functions.h"
#include "task.h"

namespace qs::binding {

// (rows, columns, gram, cancel?)
Napi::Value AccumulateGram(const Napi::CallbackInfo& info) {
  const auto rows = floatsOf(info[0], "rows");
  const size_t columns = sizeOf(info[1], "columns");
  const auto gram = doublesOf(info[2], "gram");
  const CancelFlag cancelled = cancelFlag(info[3]);
  return run(info, [=] { accumulateGram(rows, columns, gram, cancelled); });
}

// (weights, others, scales?, inputs, columns, group, errors, cancel?)
Napi::Value OutputErrors(const Napi::CallbackInfo& info) {
  const Replacement replacement{floatsOf(info[0], "weights"), floatsOf(info[1], "others"), optionalFloats(info[2], "scales"),
                                sizeOf(info[4], "columns")};
  const auto inputs = floatsOf(info[3], "inputs");
  const size_t group = sizeOf(info[5], "group");
  const auto errors = doublesOf(info[6], "errors");
  const CancelFlag cancelled = cancelFlag(info[7]);
  return run(info, [=] { outputErrors(replacement, inputs, group, errors, cancelled); });
}

// (values, columns, group, limits, cancel?)
Napi::Value GroupLimits(const Napi::CallbackInfo& info) {
  const auto values = floatsOf(info[0], "values");
  const size_t columns = sizeOf(info[1], "columns");
  const size_t group = sizeOf(info[2], "group");
  const auto limits = floatsOf(info[3], "limits");
  const CancelFlag cancelled = cancelFlag(info[4]);
  return run(info, [=] { groupLimits(values, columns, group, limits, cancelled); });
}

// (values, columns, group, limits, target, cancel?)
Napi::Value LimitGroups(const Napi::CallbackInfo& info) {
  const auto values = floatsOf(info[0], "values");
  const size_t columns = sizeOf(info[1], "columns");
  const size_t group = sizeOf(info[2], "group");
  const auto limits = floatsOf(info[3], "limits");
  const auto target = floatsOf(info[4], "target");
  const CancelFlag cancelled = cancelFlag(info[5]);
  return run(info, [=] { limitGroups(values, columns, group, limits, target, cancelled); });
}

// (source, scales, target, cancel?)
Napi::Value ScaleColumns(const Napi::CallbackInfo& info) {
  const auto source = floatsOf(info[0], "source");
  const auto scales = floatsOf(info[1], "scales");
  const auto target = floatsOf(info[2], "target");
  const CancelFlag cancelled = cancelFlag(info[3]);
  return run(info, [=] { scaleColumns(source, scales, target, cancelled); });
}

}  // namespace qs::binding
