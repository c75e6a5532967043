// Threads, instruction sets and the speed of memory.
#include <memory>
#include <string>

#include "../pool.h"
#include "../statistics.h"
#include "arguments.h"
#include "functions.h"
#include "task.h"

namespace qs::binding {

// (threads)
Napi::Value SetThreads(const Napi::CallbackInfo& info) {
  Pool::shared().setThreads(sizeOf(info[0], "threads"));
  return info.Env().Undefined();
}

Napi::Value Simd(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), std::string(kernels().name)); }

// (name)
Napi::Value SetSimd(const Napi::CallbackInfo& info) {
  const std::string name = stringOf(info[0]);
  if (!useKernels(name)) throw Napi::Error::New(info.Env(), "this processor has no " + name);
  return info.Env().Undefined();
}

// (bytes)
Napi::Value CopyBandwidth(const Napi::CallbackInfo& info) {
  const auto perSecond = std::make_shared<double>();
  return run(
      info, [perSecond, bytes = sizeOf(info[0], "bytes")] { *perSecond = copyBandwidth(bytes); },
      [perSecond](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *perSecond); });
}

}  // namespace qs::binding
