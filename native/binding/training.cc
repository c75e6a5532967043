// Steps of a refinement (solvers/training.h).
#include "../solvers/training.h"
#include "arguments.h"
#include "functions.h"
#include "task.h"

namespace qs::binding {

// (values, first, second, gradient, [decay, decay of squares, size, correction], units, per)
Napi::Value AdamStep(const Napi::CallbackInfo& info) {
  const AdamNumbers numbers{floatsOf(info[0], "values"), floatsOf(info[1], "averages"), floatsOf(info[2], "averages of squares")};
  const auto gradient = floatsOf(info[3], "gradient");
  const auto step = info[4].As<Napi::Array>();
  const auto number = [&](uint32_t index) { return step.Get(index).As<Napi::Number>().DoubleValue(); };
  const qs::AdamStep by{{number(0), number(1)}, number(2), number(3), floatsOf(info[5], "units"), sizeOf(info[6], "numbers of a unit")};
  return run(info, [=] { adamStep(numbers, gradient, by); });
}

// (values, codes, areEven, group, scales, zeros?, weights, codes)
Napi::Value NearestLevels(const Napi::CallbackInfo& info) {
  const SortedLevels levels{doublesOf(info[0], "levels"), bytesOf(info[1], "codes of levels"), info[2].As<Napi::Boolean>().Value()};
  const LevelGroups groups{sizeOf(info[3], "the group"), floatsOf(info[4], "scales"), optionalFloats(info[5], "zeros")};
  const auto weights = floatsOf(info[6], "weights");
  const auto codes = bytesOf(info[7], "codes");
  return run(info, [=] { nearestLevels(levels, groups, weights, codes); });
}

// (a, b, block, products)
Napi::Value BlockProducts(const Napi::CallbackInfo& info) {
  const auto a = floatsOf(info[0], "the first matrix");
  const auto b = floatsOf(info[1], "the second matrix");
  const size_t block = sizeOf(info[2], "the block");
  const auto products = floatsOf(info[3], "products");
  return run(info, [=] { blockProducts(a, b, block, products); });
}

}  // namespace qs::binding
