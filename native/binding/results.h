#pragma once
// Objects that several functions return.
#include <napi.h>

#include "../operations.h"

namespace qs::binding {

/// { kind, index }, or undefined when there is no bad weight.
Napi::Value badWeightObject(Napi::Env env, const BadWeight& bad);

}  // namespace qs::binding
