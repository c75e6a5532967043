#include "scan_object.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "../scan/scan.h"
#include "arguments.h"
#include "errors.h"
#include "task.h"

namespace qs::binding {
namespace {

template <typename T>
Napi::Float64Array doubles(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::transform(values.begin(), values.end(), array.Data(), [](T value) { return static_cast<double>(value); });
  return array;
}

Napi::Float32Array singles(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

std::vector<double> listOf(const Napi::Value& value, const char* name) {
  const auto numbers = doublesOf(value, name);
  return {numbers.begin(), numbers.end()};
}

class ScanObject : public Napi::ObjectWrap<ScanObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Scan",
                       {InstanceMethod<&ScanObject::First>("first"), InstanceMethod<&ScanObject::Turn>("turn"),
                        InstanceMethod<&ScanObject::Second>("second"), InstanceMethod<&ScanObject::Finish>("finish")});
  }

  // (dtype, rows, columns, cellRows, cellColumns, bins, range: two numbers or none, percents, thresholds), the last three as
  // Float64Array
  explicit ScanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ScanObject>(info) {
    scan_ = guarded(info.Env(), [&] {
      const auto cell = [&](size_t i, const char* name) { return std::max<size_t>(1, sizeOf(info[i], name)); };
      ScanOptions options{stringOf(info[0]),
                          sizeOf(info[1], "rows"),
                          sizeOf(info[2], "columns"),
                          {cell(3, "cellRows"), cell(4, "cellColumns")},
                          sizeOf(info[5], "bins"),
                          {},
                          listOf(info[7], "percents"),
                          listOf(info[8], "thresholds")};
      const auto range = doublesOf(info[6], "range");
      if (range.size() == 2) options.range = ValueRange{range[0], range[1]};
      return std::make_unique<Scan>(std::move(options));
    });
  }

 private:
  // (data, cancel?)
  Napi::Value First(const Napi::CallbackInfo& info) { return pass(info, &Scan::first); }
  Napi::Value Second(const Napi::CallbackInfo& info) { return pass(info, &Scan::second); }

  Napi::Value pass(const Napi::CallbackInfo& info, void (Scan::*scan)(std::span<const uint8_t>, CancelFlag)) {
    return guarded(info.Env(), [&] {
      const auto data = bytesOf(info[0], "data");
      const CancelFlag cancelled = cancelFlag(info[1]);
      if (busy_.exchange(true)) throw Napi::Error::New(info.Env(), "a scan takes one slab at a time");
      return run(info, [this, scan, data, cancelled] {
        const std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> done(
            &busy_, [](std::atomic<bool>* busy) { *busy = false; });
        (scan_.get()->*scan)(data, cancelled);
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
    const ScanFigures& figures = scan_->figures();
    auto result = Napi::Object::New(env);
    const auto number = [&](const char* key, double value) { result.Set(key, value); };
    number("count", static_cast<double>(figures.finite + figures.nans + figures.infinities));
    number("finite", static_cast<double>(figures.finite));
    number("min", figures.min);
    number("max", figures.max);
    number("absMax", std::max(std::fabs(figures.min), std::fabs(figures.max)));
    number("mean", figures.mean);
    number("standardDeviation", std::sqrt(figures.variance));
    number("kurtosis", figures.kurtosis);
    number("rms", figures.rms);
    number("zeros", static_cast<double>(figures.zeros));
    number("nans", static_cast<double>(figures.nans));
    number("infinities", static_cast<double>(figures.infinities));
    number("below", static_cast<double>(figures.histogram.below));
    number("above", static_cast<double>(figures.histogram.above));
    result.Set("percentiles", doubles(env, figures.percentiles));
    result.Set("histogram", doubles(env, figures.histogram.bins));
    result.Set("beyond", doubles(env, figures.beyond));
    result.Set("rowAbsMax", singles(env, scan_->rowAbsMax));
    result.Set("columnAbsMax", singles(env, scan_->columnAbsMax));
    result.Set("rowRms", singles(env, scan_->rowRms()));
    result.Set("columnRms", singles(env, scan_->columnRms()));
    result.Set("cellAbsMax", singles(env, scan_->cellAbsMax));
    return result;
  }

  std::unique_ptr<Scan> scan_;
  std::atomic<bool> busy_{false};
};

}  // namespace

Napi::Function defineScan(Napi::Env env) { return ScanObject::define(env); }

}  // namespace qs::binding
