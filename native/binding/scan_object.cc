#include "scan_object.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "../operations.h"
#include "arguments.h"
#include "errors.h"
#include "task.h"

namespace qs::binding {
namespace {

Napi::Float64Array doubles(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Float32Array singles(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

class ScanObject : public Napi::ObjectWrap<ScanObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Scan",
                       {InstanceMethod<&ScanObject::First>("first"), InstanceMethod<&ScanObject::Turn>("turn"),
                        InstanceMethod<&ScanObject::Second>("second"), InstanceMethod<&ScanObject::Finish>("finish")});
  }

  // (rows, columns, cellRows, cellColumns, bins, percents: Float64Array)
  explicit ScanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ScanObject>(info) {
    const auto percents = spanOf<double>(info[5], napi_float64_array, "percents");
    const auto cell = [&](size_t i, const char* name) { return std::max<size_t>(1, sizeOf(info[i], name)); };
    scan_ = guarded(info.Env(), [&] {
      return std::make_unique<Scan>(ScanOptions{sizeOf(info[0], "rows"), sizeOf(info[1], "columns"), cell(2, "cellRows"),
                                                cell(3, "cellColumns"), sizeOf(info[4], "bins"),
                                                std::vector<double>(percents.begin(), percents.end())});
    });
  }

 private:
  // (values, cancel?)
  Napi::Value First(const Napi::CallbackInfo& info) { return pass(info, scanFirst); }
  Napi::Value Second(const Napi::CallbackInfo& info) { return pass(info, scanSecond); }

  Napi::Value pass(const Napi::CallbackInfo& info, void (*scan)(Scan&, std::span<const float>, CancelFlag)) {
    return guarded(info.Env(), [&] {
      const auto values = floatsOf(info[0], "values");
      const CancelFlag cancelled = cancelFlag(info[1]);
      if (busy_.exchange(true)) throw Napi::Error::New(info.Env(), "a scan takes one slab at a time");
      return run(info, [this, scan, values, cancelled] {
        const std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> done(
            &busy_, [](std::atomic<bool>* busy) { *busy = false; });
        scan(*scan_, values, cancelled);
      });
    });
  }

  void requireIdle(Napi::Env env) const {
    if (busy_) throw Napi::Error::New(env, "a slab is still being scanned");
  }

  Napi::Value Turn(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      requireIdle(info.Env());
      return Napi::Boolean::New(info.Env(), scan_->turn());
    });
  }

  Napi::Value Finish(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      requireIdle(info.Env());
      return result(info.Env());
    });
  }

  Napi::Value result(Napi::Env env) {
    scan_->turn();
    auto result = Napi::Object::New(env);
    const auto number = [&](const char* key, double value) { result.Set(key, value); };
    number("count", static_cast<double>(scan_->finite + scan_->nans + scan_->infinities));
    number("finite", static_cast<double>(scan_->finite));
    number("min", scan_->min);
    number("max", scan_->max);
    number("absMax", std::max(std::fabs(scan_->min), std::fabs(scan_->max)));
    number("mean", scan_->mean());
    number("standardDeviation", std::sqrt(scan_->variance()));
    number("kurtosis", scan_->kurtosis());
    number("zeros", static_cast<double>(scan_->zeros));
    number("nans", static_cast<double>(scan_->nans));
    number("infinities", static_cast<double>(scan_->infinities));
    result.Set("percentiles", doubles(env, scan_->percentiles()));
    result.Set("histogram", doubles(env, scan_->histogram));
    result.Set("rowAbsMax", singles(env, scan_->rowAbsMax));
    result.Set("columnAbsMax", singles(env, scan_->columnAbsMax));
    result.Set("cellAbsMax", singles(env, scan_->cellAbsMax));
    return result;
  }

  std::unique_ptr<Scan> scan_;
  std::atomic<bool> busy_{false};
};

}  // namespace

Napi::Function defineScan(Napi::Env env) { return ScanObject::define(env); }

}  // namespace qs::binding
