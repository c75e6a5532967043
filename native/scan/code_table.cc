#include "code_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <string>

namespace qs {
namespace {

CodeTable tableOf(const Codec& codec) {
  const size_t codes = codec.bytes == 1 ? 256 : 65536;
  std::vector<uint8_t> bytes;
  for (size_t code = 0; code < codes; ++code) {
    bytes.push_back(static_cast<uint8_t>(code));
    if (codec.bytes == 2) bytes.push_back(static_cast<uint8_t>(code >> 8));
  }
  CodeTable table{std::vector<float>(codes), {}};
  codec.decode(bytes.data(), table.values.data(), codes);
  for (size_t code = 0; code < codes; ++code) {
    if (std::isfinite(table.values[code])) table.ascending.push_back(static_cast<uint16_t>(code));
  }
  const auto key = [&](uint16_t code) { return sortKey(table.values[code]); };
  std::stable_sort(table.ascending.begin(), table.ascending.end(), [&](uint16_t a, uint16_t b) { return key(a) < key(b); });
  return table;
}

}  // namespace

uint32_t sortKey(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

const CodeTable& codeTableOf(const Codec& codec) {
  static std::mutex mutex;
  static std::map<std::string, CodeTable> tables;
  const std::lock_guard lock(mutex);
  const auto found = tables.find(codec.name);
  return found == tables.end() ? tables.emplace(codec.name, tableOf(codec)).first->second : found->second;
}

}  // namespace qs
