// libFuzzer target: passes arbitrary bytes to the decoder that QUANTSCOPE_FUZZ names, in a buffer of exactly their size at an
// odd address, with every instruction set of this processor. All must give the same floats.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "../kernels/kernels.h"

namespace {

using namespace qs;

const char* decoderName() {
  static const char* name = std::getenv("QUANTSCOPE_FUZZ");
  if (name == nullptr || codecNamed(name) == nullptr) {
    std::fputs("QUANTSCOPE_FUZZ must name a decoder\n", stderr);
    std::exit(2);
  }
  return name;
}

std::vector<float> decode(const Kernels& table, const uint8_t* bytes, size_t size) {
  for (const Codec& codec : table.codecs) {
    if (std::strcmp(codec.name, decoderName()) != 0) continue;
    const size_t blocks = size / codec.bytes;
    const std::unique_ptr<uint8_t[]> memory(new uint8_t[blocks * codec.bytes + 1]);
    std::memcpy(memory.get() + 1, bytes, blocks * codec.bytes);
    std::vector<float> values(blocks * codec.block);
    codec.decode(memory.get() + 1, values.data(), values.size());
    return values;
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto expected = decode(*availableKernels()[0], data, size);
  for (const Kernels* table : availableKernels()) {
    const auto found = decode(*table, data, size);
    for (size_t i = 0; i < expected.size(); ++i) {
      const bool same = std::memcmp(&found[i], &expected[i], sizeof(float)) == 0;
      if (!same && !(std::isnan(found[i]) && std::isnan(expected[i]))) std::abort();
    }
  }
  return 0;
}
