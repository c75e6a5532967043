#pragma once
// Runs an operation on a worker thread and settles a promise with its result.
#include <napi.h>

#include <functional>

namespace qs::binding {

using Work = std::function<void()>;
using Result = std::function<Napi::Value(Napi::Env)>;

inline Napi::Value undefinedResult(Napi::Env env) { return env.Undefined(); }

/// A promise of `result`, which is called on the event loop after `work` has run off it. The arguments of the call are kept
/// alive until then.
Napi::Promise run(const Napi::CallbackInfo& info, Work work, Result result = undefinedResult);

}  // namespace qs::binding
