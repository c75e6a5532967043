#pragma once
// The class Scan: statistics of a matrix that arrives slab by slab.
#include <napi.h>

namespace qs::binding {

Napi::Function defineScan(Napi::Env env);

}  // namespace qs::binding
