// The only file that knows N-API: turns typed arrays into spans, runs an operation on a worker, settles a promise.
#include <napi.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operations.h"
#include "pool.h"

namespace {

using namespace qs;

static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t));

/// Runs `work` off the event loop, keeps its buffers alive meanwhile, then settles a promise with `result`.
class Task : public Napi::AsyncWorker {
 public:
  using Result = std::function<Napi::Value(Napi::Env)>;

  Task(Napi::Env env, std::function<void()> work, Result result, std::vector<Napi::Value> keep)
      : Napi::AsyncWorker(env), work_(std::move(work)), result_(std::move(result)), deferred_(env) {
    for (const Napi::Value& value : keep) {
      if (value.IsObject()) kept_.push_back(Napi::Persistent(value.As<Napi::Object>()));
    }
  }

  Napi::Promise start() {
    Queue();
    return deferred_.Promise();
  }

  void Execute() override { work_(); }
  void OnOK() override { deferred_.Resolve(result_(Env())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  std::function<void()> work_;
  Result result_;
  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> kept_;
};

Napi::Value undefinedResult(Napi::Env env) { return env.Undefined(); }

Napi::Value run(const Napi::CallbackInfo& info, std::function<void()> work, Task::Result result = undefinedResult) {
  std::vector<Napi::Value> keep{info.This()};
  for (size_t i = 0; i < info.Length(); ++i) keep.push_back(info[i]);
  return (new Task(info.Env(), std::move(work), std::move(result), std::move(keep)))->start();
}

template <typename T>
std::span<T> spanOf(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " is not the typed array it should be");
  }
  const auto array = value.As<Napi::TypedArray>();
  auto* bytes = static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return {reinterpret_cast<T*>(bytes), array.ElementLength()};
}

std::span<uint8_t> bytesOf(const Napi::Value& value, const char* name) {
  return spanOf<uint8_t>(value, napi_uint8_array, name);
}
std::span<float> floatsOf(const Napi::Value& value, const char* name) {
  return spanOf<float>(value, napi_float32_array, name);
}
std::span<float> optionalFloats(const Napi::Value& value, const char* name) {
  return value.IsUndefined() ? std::span<float>{} : floatsOf(value, name);
}

CancelFlag cancelFlag(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  return reinterpret_cast<CancelFlag>(spanOf<int32_t>(value, napi_int32_array, "cancel").data());
}

size_t sizeOf(const Napi::Value& value) { return static_cast<size_t>(value.As<Napi::Number>().Int64Value()); }

const Codec& codecNamed(Napi::Env env, const std::string& name) {
  const int index = codecIndex(name);
  if (index < 0) throw Napi::Error::New(env, "there is no decoder for " + name);
  return codecs()[static_cast<size_t>(index)];
}

int groupOf(const Napi::Value& value) {
  if (value.IsNumber()) return value.As<Napi::Number>().Int32Value();
  return value.As<Napi::String>().Utf8Value() == "row" ? kGroupRow : kGroupTensor;
}

AffineRule ruleOf(const std::string& name) {
  if (name == "absmax") return AffineRule::Absmax;
  return name == "zero-point" ? AffineRule::ZeroPoint : AffineRule::MinMax;
}

Scheme schemeOf(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto text = [&](const char* key) { return object.Get(key).As<Napi::String>().Utf8Value(); };
  const std::string kind = text("kind");
  Scheme scheme;
  if (kind == "affine") {
    scheme.rule = ruleOf(text("rule"));
    scheme.bits = object.Get("bits").As<Napi::Number>().Int32Value();
    scheme.group = groupOf(object.Get("group"));
  } else if (kind == "nf4") {
    scheme.kind = SchemeKind::Nf4;
    scheme.group = object.Get("block").As<Napi::Number>().Int32Value();
  } else if (kind == "fp8") {
    scheme.kind = SchemeKind::Fp8;
    scheme.e5m2 = text("variant") == "e5m2";
    scheme.group = groupOf(object.Get("group"));
  } else {
    scheme.kind = SchemeKind::Ggml;
    scheme.ggmlType = codecIndex(text("type"));
    if (scheme.ggmlType < 0 || codecs()[static_cast<size_t>(scheme.ggmlType)].encode == nullptr) {
      throw Napi::Error::New(value.Env(), "there is no encoder for " + text("type"));
    }
  }
  return scheme;
}

Napi::Value Decode(const Napi::CallbackInfo& info) {
  const Codec& codec = codecNamed(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const auto target = floatsOf(info[2], "target");
  const CancelFlag cancelled = cancelFlag(info[3]);
  return run(info, [=, &codec] { decodeTensor(codec, source, target, cancelled); });
}

// (scheme, source, columns, min, max, codes, scales?, zeros?, cancel?)
Napi::Value EncodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const size_t columns = sizeOf(info[2]);
  const Range range{info[3].As<Napi::Number>().FloatValue(), info[4].As<Napi::Number>().FloatValue()};
  const EncodedView target{bytesOf(info[5], "codes"), optionalFloats(info[6], "scales"), optionalFloats(info[7], "zeros")};
  const CancelFlag cancelled = cancelFlag(info[8]);
  return run(info, [=] { encodeRows(scheme, source, columns, range, target, cancelled); });
}

// (scheme, codes, scales?, zeros?, columns, target, cancel?)
Napi::Value DecodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const EncodedView source{bytesOf(info[1], "codes"), optionalFloats(info[2], "scales"), optionalFloats(info[3], "zeros")};
  const size_t columns = sizeOf(info[4]);
  const auto target = floatsOf(info[5], "target");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { decodeRows(scheme, source, columns, target, cancelled); });
}

Napi::Value SumErrors(const Napi::CallbackInfo& info) {
  const auto source = floatsOf(info[0], "source");
  const auto decoded = floatsOf(info[1], "decoded");
  const auto sums = std::make_shared<ErrorSums>();
  return run(
      info, [=] { *sums = sumErrors(source, decoded); },
      [sums, count = source.size()](Napi::Env env) -> Napi::Value {
        auto result = Napi::Object::New(env);
        result.Set("count", static_cast<double>(count));
        result.Set("source", sums->source);
        result.Set("decoded", sums->decoded);
        result.Set("error", sums->error);
        result.Set("maxError", sums->largest);
        return result;
      });
}

// (values, min, max, counts)
Napi::Value HistogramInto(const Napi::CallbackInfo& info) {
  const auto values = floatsOf(info[0], "values");
  const float min = info[1].As<Napi::Number>().FloatValue();
  const float max = info[2].As<Napi::Number>().FloatValue();
  const auto counts = spanOf<double>(info[3], napi_float64_array, "counts");
  return run(info, [=] { histogramOf(values, min, max, counts); });
}

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
                       {InstanceMethod<&ScanObject::First>("first"), InstanceMethod<&ScanObject::Second>("second"),
                        InstanceMethod<&ScanObject::Finish>("finish")});
  }

  // (rows, columns, cellRows, cellColumns, bins, percents: Float64Array)
  explicit ScanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ScanObject>(info) {
    const auto percents = spanOf<double>(info[5], napi_float64_array, "percents");
    scan_ = std::make_unique<Scan>(ScanOptions{sizeOf(info[0]), sizeOf(info[1]), std::max<size_t>(1, sizeOf(info[2])),
                                               std::max<size_t>(1, sizeOf(info[3])), sizeOf(info[4]),
                                               std::vector<double>(percents.begin(), percents.end())});
  }

 private:
  Napi::Value First(const Napi::CallbackInfo& info) {
    return run(info, [this, values = floatsOf(info[0], "values")] { scanFirst(*scan_, values); });
  }
  Napi::Value Second(const Napi::CallbackInfo& info) {
    return run(info, [this, values = floatsOf(info[0], "values")] { scanSecond(*scan_, values); });
  }
  Napi::Value Finish(const Napi::CallbackInfo& info) {
    scan_->turn();
    const Napi::Env env = info.Env();
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
};

Napi::Value SetThreads(const Napi::CallbackInfo& info) {
  Pool::shared().setThreads(sizeOf(info[0]));
  return info.Env().Undefined();
}

/// What the loader picks among the versions that platform.h asks for.
std::string simdName() {
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
  if (__builtin_cpu_supports("x86-64-v4")) return "AVX-512";
  if (__builtin_cpu_supports("x86-64-v3")) return "AVX2";
  return "SSE2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "baseline";
#endif
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("simd", simdName());
  auto names = Napi::Array::New(env);
  for (const Codec& codec : codecs()) names.Set(names.Length(), std::string(codec.name));
  exports.Set("decodable", names);
  exports.Set("setThreads", Napi::Function::New<SetThreads>(env));
  exports.Set("decode", Napi::Function::New<Decode>(env));
  exports.Set("encodeRows", Napi::Function::New<EncodeRows>(env));
  exports.Set("decodeRows", Napi::Function::New<DecodeRows>(env));
  exports.Set("errorSums", Napi::Function::New<SumErrors>(env));
  exports.Set("histogram", Napi::Function::New<HistogramInto>(env));
  exports.Set("Scan", ScanObject::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(quantscope, Init)
