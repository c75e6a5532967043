// Sums of products of inputs, and methods that use them.
#include "../solvers/gram.h"
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

}  // namespace qs::binding
