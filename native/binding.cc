// The only file that knows N-API: turns typed arrays into spans, runs an operation on a worker, settles a promise.
// Whatever an operation throws becomes an error of JavaScript: a C++ exception that leaves a callback would end the process.
#include <napi.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "operations.h"
#include "pool.h"
#include "statistics.h"

namespace {

using namespace qs;

static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t));

/// What went wrong, in words: the exception that is being handled.
std::string currentReason() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "there is not enough memory";
  } catch (const std::length_error&) {
    return "more memory was asked for than there can be";
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an unknown exception was thrown";
  }
}

/// Runs a callback; its exceptions become errors of JavaScript.
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

size_t sizeOf(const Napi::Value& value, const char* name) {
  constexpr double kMost = 9007199254740992.0;  // 2^53: beyond, numbers of JavaScript are not exact
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number < kMost && std::floor(number) == number)) {
    throw Napi::RangeError::New(value.Env(), std::string(name) + " is not a count");
  }
  return static_cast<size_t>(number);
}

const Codec& codecFor(Napi::Env env, const std::string& name) {
  const Codec* codec = codecNamed(name);
  if (codec == nullptr) throw Napi::Error::New(env, "there is no decoder for " + name);
  return *codec;
}

/// Blocks are even, as two 4-bit codes share a byte, and no longer than what the kernels pack in one go (schemes.cc).
int blockOf(const Napi::Value& value) {
  constexpr size_t kMost = 4096;
  const size_t block = sizeOf(value, "the block");
  if (block == 0 || block > kMost || block % 2 != 0) {
    throw Napi::RangeError::New(value.Env(), "a block has an even number of weights, 4096 at most");
  }
  return static_cast<int>(block);
}

int groupOf(const Napi::Value& value) {
  if (value.IsNumber()) return blockOf(value);
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
    if (scheme.bits != 4 && scheme.bits != 8) throw Napi::RangeError::New(value.Env(), "codes have 4 or 8 bits");
    scheme.group = groupOf(object.Get("group"));
  } else if (kind == "nf4") {
    scheme.kind = SchemeKind::Nf4;
    scheme.group = blockOf(object.Get("block"));
  } else if (kind == "fp8") {
    scheme.kind = SchemeKind::Fp8;
    scheme.e5m2 = text("variant") == "e5m2";
    scheme.group = groupOf(object.Get("group"));
  } else if (kind == "ggml") {
    scheme.kind = SchemeKind::Ggml;
    const Codec* codec = codecNamed(text("type"));
    if (codec == nullptr || codec->encode == nullptr) {
      throw Napi::Error::New(value.Env(), "there is no encoder for " + text("type"));
    }
    scheme.ggmlType = codec->name;
  } else {
    throw Napi::TypeError::New(value.Env(), "there is no scheme " + kind);
  }
  return scheme;
}

Napi::Value Decode(const Napi::CallbackInfo& info) {
  const Codec& codec = codecFor(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const auto target = floatsOf(info[2], "target");
  const CancelFlag cancelled = cancelFlag(info[3]);
  return run(info, [=, &codec] { decodeTensor(codec, source, target, cancelled); });
}

/// Undefined when all is well.
Napi::Value badWeightObject(Napi::Env env, const BadWeight& bad) {
  if (bad.kind == BadWeight::Kind::None) return env.Undefined();
  static constexpr const char* kNames[] = {"", "NaN", "infinite", "too large", "in block"};
  auto result = Napi::Object::New(env);
  result.Set("kind", kNames[static_cast<size_t>(bad.kind)]);
  result.Set("index", static_cast<double>(bad.index));
  return result;
}

// (scheme, source, columns, min, max, codes, scales?, zeros?, importance?, cancel?)
Napi::Value EncodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const auto source = floatsOf(info[1], "source");
  const size_t columns = sizeOf(info[2], "columns");
  const Range range{info[3].As<Napi::Number>().FloatValue(), info[4].As<Napi::Number>().FloatValue()};
  const EncodedView target{bytesOf(info[5], "codes"), optionalFloats(info[6], "scales"), optionalFloats(info[7], "zeros")};
  const auto importance = optionalFloats(info[8], "importance");
  const CancelFlag cancelled = cancelFlag(info[9]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=] { *bad = encodeRows(scheme, source, columns, range, importance, target, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (scheme, codes, scales?, zeros?, columns, target, cancel?)
Napi::Value DecodeRows(const Napi::CallbackInfo& info) {
  const Scheme scheme = schemeOf(info[0]);
  const EncodedView source{bytesOf(info[1], "codes"), optionalFloats(info[2], "scales"), optionalFloats(info[3], "zeros")};
  const size_t columns = sizeOf(info[4], "columns");
  const auto target = floatsOf(info[5], "target");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { decodeRows(scheme, source, columns, target, cancelled); });
}

Napi::Object sumsObject(Napi::Env env, const ErrorSums& sums, size_t count) {
  auto result = Napi::Object::New(env);
  result.Set("count", static_cast<double>(count));
  result.Set("source", sums.source);
  result.Set("decoded", sums.decoded);
  result.Set("error", sums.error);
  result.Set("maxError", sums.largest);
  return result;
}

Napi::Value SumErrors(const Napi::CallbackInfo& info) {
  const auto source = floatsOf(info[0], "source");
  const auto decoded = floatsOf(info[1], "decoded");
  const auto sums = std::make_shared<ErrorSums>();
  return run(
      info, [=] { *sums = sumErrors(source, decoded); },
      [sums, count = source.size()](Napi::Env env) -> Napi::Value { return sumsObject(env, *sums, count); });
}

// (dtype, source, scheme, columns, min, max, counts?, importance?, cancel?)
Napi::Value MeasureRows(const Napi::CallbackInfo& info) {
  const Codec& codec = codecFor(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const Scheme scheme = schemeOf(info[2]);
  const size_t columns = sizeOf(info[3], "columns");
  const Range range{info[4].As<Napi::Number>().FloatValue(), info[5].As<Napi::Number>().FloatValue()};
  const auto counts =
      info[6].IsUndefined() ? std::span<double>{} : spanOf<double>(info[6], napi_float64_array, "counts");
  const auto importance = optionalFloats(info[7], "importance");
  const CancelFlag cancelled = cancelFlag(info[8]);
  const auto found = std::make_shared<Measured>();
  return run(
      info,
      [=, &codec] { *found = measureRows(codec, source, scheme, columns, range, importance, counts, cancelled); },
      [found, count = source.size() / codec.bytes * codec.block](Napi::Env env) -> Napi::Value {
        auto result = sumsObject(env, found->sums, count);
        result.Set("bad", badWeightObject(env, found->bad));
        return result;
      });
}

// (dtype, source, cancel?)
Napi::Value MeasureRange(const Napi::CallbackInfo& info) {
  const Codec& codec = codecFor(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const CancelFlag cancelled = cancelFlag(info[2]);
  const auto found = std::make_shared<MeasuredRange>();
  return run(
      info, [=, &codec] { *found = measureRange(codec, source, cancelled); },
      [found](Napi::Env env) -> Napi::Value {
        auto result = Napi::Object::New(env);
        result.Set("min", found->range.min);
        result.Set("max", found->range.max);
        result.Set("bad", badWeightObject(env, found->bad));
        return result;
      });
}

// (from, source, to, columns, shift, importance?, target, cancel?)
Napi::Value RecodeRows(const Napi::CallbackInfo& info) {
  const Codec& from = codecFor(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const Codec& to = codecFor(info.Env(), info[2].As<Napi::String>().Utf8Value());
  const size_t columns = sizeOf(info[3], "columns");
  const float shift = info[4].As<Napi::Number>().FloatValue();
  const auto importance = optionalFloats(info[5], "importance");
  const auto target = bytesOf(info[6], "target");
  const CancelFlag cancelled = cancelFlag(info[7]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=, &from, &to] { *bad = recodeRows(from, source, to, columns, shift, importance, target, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (dtype, source, cancel?)
Napi::Value CheckBlocks(const Napi::CallbackInfo& info) {
  const Codec& codec = codecFor(info.Env(), info[0].As<Napi::String>().Utf8Value());
  const auto source = bytesOf(info[1], "source");
  const CancelFlag cancelled = cancelFlag(info[2]);
  const auto bad = std::make_shared<BadWeight>();
  return run(
      info, [=, &codec] { *bad = checkBlocks(codec, source, cancelled); },
      [bad](Napi::Env env) { return badWeightObject(env, *bad); });
}

// (logits, base?, columns, firstColumn, targets, sums, cancel?)
Napi::Value AccumulateLogits(const Napi::CallbackInfo& info) {
  const auto logits = floatsOf(info[0], "logits");
  const auto base = optionalFloats(info[1], "base");
  const size_t columns = sizeOf(info[2], "columns");
  const size_t firstColumn = sizeOf(info[3], "firstColumn");
  const auto targets = spanOf<int32_t>(info[4], napi_int32_array, "targets");
  const auto sums = spanOf<double>(info[5], napi_float64_array, "sums");
  const CancelFlag cancelled = cancelFlag(info[6]);
  return run(info, [=] { accumulateLogits(logits, base, columns, firstColumn, targets, sums, cancelled); });
}

// (bytes)
Napi::Value CopyBandwidth(const Napi::CallbackInfo& info) {
  const auto perSecond = std::make_shared<double>();
  return run(
      info, [perSecond, bytes = sizeOf(info[0], "bytes")] { *perSecond = copyBandwidth(bytes); },
      [perSecond](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *perSecond); });
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
      if (busy_.exchange(true)) throw Napi::Error::New(info.Env(), "a scan takes one slab after the other");
      return run(info, [this, scan, values, cancelled] {
        const std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> done(
            &busy_, [](std::atomic<bool>* busy) { *busy = false; });
        scan(*scan_, values, cancelled);
      });
    });
  }

  Napi::Value Turn(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), scan_->turn()); });
  }

  Napi::Value Finish(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return result(info.Env()); });
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

Napi::Value SetThreads(const Napi::CallbackInfo& info) {
  Pool::shared().setThreads(sizeOf(info[0], "threads"));
  return info.Env().Undefined();
}

std::string text(std::string_view view) { return std::string(view); }

Napi::Value Simd(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), text(kernels().name)); }

Napi::Value SetSimd(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  if (!useKernels(name)) throw Napi::Error::New(info.Env(), "this processor has no " + name);
  return info.Env().Undefined();
}

const char* importanceName(Importance importance) {
  switch (importance) {
    case Importance::Unused:
      return "unused";
    case Importance::Optional:
      return "optional";
    case Importance::Required:
      return "required";
  }
  return "unused";
}

Napi::Array codecObjects(Napi::Env env) {
  auto list = Napi::Array::New(env);
  for (const Codec& codec : kernels().codecs) {
    auto object = Napi::Object::New(env);
    object.Set("name", codec.name);
    object.Set("block", static_cast<double>(codec.block));
    object.Set("bytes", static_cast<double>(codec.bytes));
    object.Set("encodes", codec.encode != nullptr);
    object.Set("importance", importanceName(codec.importance));
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto paths = Napi::Array::New(env);
  for (const Kernels* table : availableKernels()) paths.Set(paths.Length(), text(table->name));
  exports.Set("simdPaths", paths);
  exports.Set("simd", Napi::Function::New<Guarded<Simd>>(env));
  exports.Set("setSimd", Napi::Function::New<Guarded<SetSimd>>(env));
  exports.Set("codecs", codecObjects(env));
  exports.Set("setThreads", Napi::Function::New<Guarded<SetThreads>>(env));
  exports.Set("decode", Napi::Function::New<Guarded<Decode>>(env));
  exports.Set("encodeRows", Napi::Function::New<Guarded<EncodeRows>>(env));
  exports.Set("decodeRows", Napi::Function::New<Guarded<DecodeRows>>(env));
  exports.Set("measureRows", Napi::Function::New<Guarded<MeasureRows>>(env));
  exports.Set("measureRange", Napi::Function::New<Guarded<MeasureRange>>(env));
  exports.Set("recodeRows", Napi::Function::New<Guarded<RecodeRows>>(env));
  exports.Set("checkBlocks", Napi::Function::New<Guarded<CheckBlocks>>(env));
  exports.Set("errorSums", Napi::Function::New<Guarded<SumErrors>>(env));
  exports.Set("accumulateLogits", Napi::Function::New<Guarded<AccumulateLogits>>(env));
  exports.Set("copyBandwidth", Napi::Function::New<Guarded<CopyBandwidth>>(env));
  exports.Set("histogram", Napi::Function::New<Guarded<HistogramInto>>(env));
  exports.Set("Scan", ScanObject::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(quantscope, Init)
