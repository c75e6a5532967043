#pragma once
// C++ exceptions become JavaScript errors: one that left a callback would end the process.
#include <napi.h>

#include <string>

namespace qs::binding {

/// The message of the exception that is being handled.
std::string currentReason();

/// Runs a callback and turns its exceptions into JavaScript errors.
template <typename Run>
auto guarded(Napi::Env env, const Run& callback) -> decltype(callback()) {
  try {
    return callback();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error::New(env, currentReason());
  }
}

template <Napi::Value (*Callback)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Callback(info); });
}

}  // namespace qs::binding
