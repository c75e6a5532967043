// Sums of products of inputs, and methods that use them.
#include "../solvers/gram.h"
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

// (differences, inputs, columns, group, errors, cancel?)
Napi::Value OutputErrors(const Napi::CallbackInfo& info) {
  const auto differences = floatsOf(info[0], "differences");
  const auto inputs = floatsOf(info[1], "inputs");
  const size_t columns = sizeOf(info[2], "columns");
  const size_t group = sizeOf(info[3], "group");
  const auto errors = doublesOf(info[4], "errors");
  const CancelFlag cancelled = cancelFlag(info[5]);
  return run(info, [=] { outputErrors(differences, inputs, columns, group, errors, cancelled); });
}

}  // namespace qs::binding
