// Grids: parameters of groups, codes and weights.
#include <cmath>
#include <memory>

#include "../grid_operations.h"
#include "arguments.h"
#include "functions.h"
#include "grid_arguments.h"
#include "results.h"
#include "task.h"

namespace qs::binding {
namespace {

/// Four arguments from `first` on: rows, columns, rows and columns of a group.
GroupedMatrix matrixOf(const Napi::CallbackInfo& info, size_t first) {
  return {sizeOf(info[first], "rows"), sizeOf(info[first + 1], "columns"), sizeOf(info[first + 2], "rows of a group"),
          sizeOf(info[first + 3], "columns of a group")};
}

/// Three arguments from `first` on, scales, zeros?, the global scale or 0; and inverses?, which come last.
ParameterView parametersFrom(const Napi::CallbackInfo& info, size_t first, size_t last) {
  return {floatsOf(info[first], "scales"), optionalFloats(info[first + 1], "zeros"),
          optionalFloats(info[last], "inverses"), floatOf(info[first + 2])};
}

std::optional<GroupSpan> rangeOf(const Napi::Value& min, const Napi::Value& max) {
  if (min.IsUndefined()) return std::nullopt;
  return GroupSpan{floatOf(min), floatOf(max)};
}

}  // namespace

// (grid, source, rows, columns, groupRows, groupColumns, scales, zeros?, globalScale, min?, max?, cancel?, inverses?)
Napi::Value GridParameters(const Napi::CallbackInfo& info) {
  const WeightGrid grid = gridOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const GroupedMatrix matrix = matrixOf(info, 2);
  const ParameterView target = parametersFrom(info, 6, 12);
  const auto range = rangeOf(info[9], info[10]);
  const CancelFlag cancelled = cancelFlag(info[11]);
  return run(info, [=] { findParameters(grid, source, matrix, range, target, cancelled); });
}

// (grid, source, rows, columns, groupRows, groupColumns, scales, zeros?, globalScale, importance?, factors, cancel?, inverses?)
Napi::Value ClippedParameters(const Napi::CallbackInfo& info) {
  const WeightGrid grid = gridOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const GroupedMatrix matrix = matrixOf(info, 2);
  const ParameterView target = parametersFrom(info, 6, 12);
  const auto importance = optionalFloats(info[9], "importance");
  const auto factors = floatsOf(info[10], "factors");
  const CancelFlag cancelled = cancelFlag(info[11]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=] { *bad = findClippedParameters(grid, source, matrix, importance, factors, target, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (grid, source, rows, columns, groupRows, groupColumns, scales, zeros?, globalScale, codes, cancel?, inverses?)
Napi::Value GridCodes(const Napi::CallbackInfo& info) {
  const WeightGrid grid = gridOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const GroupedMatrix matrix = matrixOf(info, 2);
  const ParameterView parameters = parametersFrom(info, 6, 11);
  const auto codes = bytesOf(info[9], "codes");
  const CancelFlag cancelled = cancelFlag(info[10]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=] { *bad = findCodes(grid, source, matrix, parameters, codes, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (grid, codes, rows, columns, groupRows, groupColumns, scales, zeros?, globalScale, groupOfColumn?, target, cancel?, inverses?)
Napi::Value GridWeights(const Napi::CallbackInfo& info) {
  const WeightGrid grid = gridOf(info[0]);
  const auto codes = bytesOf(info[1], "codes");
  const GroupedMatrix matrix = matrixOf(info, 2);
  const ParameterView parameters = parametersFrom(info, 6, 12);
  const auto groups = info[9].IsUndefined() ? std::span<const int32_t>{}
                                            : spanOf<const int32_t>(info[9], napi_int32_array, "groups of columns");
  const auto target = floatsOf(info[10], "target");
  const CancelFlag cancelled = cancelFlag(info[11]);
  return run(info, [=] { findWeights(grid, codes, matrix, parameters, groups, target, cancelled); });
}

// (dtype, scales): a few per row, so they are rounded at once.
Napi::Value StoredScales(const Napi::CallbackInfo& info) {
  const ScaleType type = scaleTypeOf(info[0]);
  const auto scales = floatsOf(info[1], "scales");
  auto result = Napi::Float32Array::New(info.Env(), scales.size());
  for (size_t i = 0; i < scales.size(); ++i) result[i] = scales[i] == 0.0f ? scales[i] : storedScale(scales[i], type);
  return result;
}

}  // namespace qs::binding
