#include "task.h"

#include <utility>
#include <vector>

#include "errors.h"

namespace qs::binding {
namespace {

class Task : public Napi::AsyncWorker {
 public:
  Task(Napi::Env env, Work work, Result result, std::vector<Napi::Value> keep)
      : Napi::AsyncWorker(env), work_(std::move(work)), result_(std::move(result)), deferred_(env) {
    for (const Napi::Value& value : keep) {
      if (value.IsObject()) kept_.push_back(Napi::Persistent(value.As<Napi::Object>()));
    }
  }

  Napi::Promise start() {
    Queue();
    return deferred_.Promise();
  }

  void Execute() override {
    try {
      work_();
    } catch (...) {
      SetError(currentReason());
    }
  }
  void OnOK() override {
    try {
      deferred_.Resolve(guarded(Env(), [&] { return result_(Env()); }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Work work_;
  Result result_;
  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> kept_;
};

}  // namespace

Napi::Promise run(const Napi::CallbackInfo& info, Work work, Result result) {
  std::vector<Napi::Value> keep{info.This()};
  for (size_t i = 0; i < info.Length(); ++i) keep.push_back(info[i]);
  return (new Task(info.Env(), std::move(work), std::move(result), std::move(keep)))->start();
}

}  // namespace qs::binding
