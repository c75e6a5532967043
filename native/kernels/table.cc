#include "table.h"

#include <cmath>

#include "blocks.h"
#include "clips.h"
#include "descent.h"
#include "feedback.h"
#include "floats.h"
#include "fp4.h"
#include "iq1.h"
#include "iq2.h"
#include "iq3.h"
#include "iq4.h"
#include "kquants.h"
#include "legacy.h"
#include "levels.h"
#include "logits.h"
#include "numbers.h"
#include "products.h"
#include "row_descent.h"
#include "scan_kernels.h"
#include "sums.h"
#include "ternary.h"

namespace qs::QS_TARGET {
namespace {

#if defined(QS_AVX512)
constexpr std::string_view kName = "AVX-512";
#elif defined(QS_AVX2)
constexpr std::string_view kName = "AVX2";
#elif defined(QS_NEON)
constexpr std::string_view kName = "NEON";
#else
constexpr std::string_view kName = "scalar";
#endif

constexpr Codec number(const char* name, size_t bytes, void (*decode)(const void*, float*, size_t),
                       void (*encode)(const float*, void*, Rows) = nullptr) {
  return {name, 1, bytes, decode, encode, Importance::Unused};
}

constexpr Codec kCodecs[] = {
    number("F64", 8, decodeNumbers<double>),
    number("F32", 4, decodeNumbers<float>, encodeF32),
    number("F16", 2, decodeF16, encodeF16),
    number("BF16", 2, decodeBF16, encodeBF16),
    number("I64", 8, decodeNumbers<int64_t>),
    number("I32", 4, decodeNumbers<int32_t>),
    number("I16", 2, decodeNumbers<int16_t>),
    number("I8", 1, decodeNumbers<int8_t>),
    number("U64", 8, decodeNumbers<uint64_t>),
    number("U32", 4, decodeNumbers<uint32_t>),
    number("U16", 2, decodeNumbers<uint16_t>),
    number("U8", 1, decodeNumbers<uint8_t>),
    number("BOOL", 1, decodeNumbers<uint8_t>),
    number("F8_E4M3", 1, decodeE4M3),
    number("F8_E5M2", 1, decodeE5M2),
    {"Q1_0", 128, sizeof(BlockQ1_0), decodeQ1_0, encodeQ1_0, Importance::Unused},
    {"Q2_0", 64, sizeof(BlockQ2_0), decodeQ2_0, encodeQ2_0, Importance::Unused},
    {"Q4_0", kBlock, sizeof(BlockQ4_0), decodeQ4_0, encodeQ4_0, Importance::Optional},
    {"Q4_1", kBlock, sizeof(BlockQ4_1), decodeQ4_1, encodeQ4_1, Importance::Optional},
    {"Q5_0", kBlock, sizeof(BlockQ5_0), decodeQ5_0, encodeQ5_0, Importance::Optional},
    {"Q5_1", kBlock, sizeof(BlockQ5_1), decodeQ5_1, encodeQ5_1, Importance::Optional},
    {"Q8_0", kBlock, sizeof(BlockQ8_0), decodeQ8_0, encodeQ8_0, Importance::Unused},
    {"Q2_K", kSuperBlock, sizeof(BlockQ2_K), decodeQ2_K, encodeQ2_K, Importance::Optional},
    {"Q3_K", kSuperBlock, sizeof(BlockQ3_K), decodeQ3_K, encodeQ3_K, Importance::Optional},
    {"Q4_K", kSuperBlock, sizeof(BlockQ4_K), decodeQ4_K, encodeQ4_K, Importance::Optional},
    {"Q5_K", kSuperBlock, sizeof(BlockQ5_K), decodeQ5_K, encodeQ5_K, Importance::Optional},
    {"Q6_K", kSuperBlock, sizeof(BlockQ6_K), decodeQ6_K, encodeQ6_K, Importance::Optional},
    {"IQ1_S", kSuperBlock, sizeof(BlockIQ1_S), decodeIQ1_S, encodeIQ1_S, Importance::Required},
    {"IQ1_M", kSuperBlock, sizeof(BlockIQ1_M), decodeIQ1_M, encodeIQ1_M, Importance::Optional},
    {"IQ2_XXS", kSuperBlock, sizeof(BlockIQ2_XXS), decodeIQ2_XXS, encodeIQ2_XXS, Importance::Required},
    {"IQ2_XS", kSuperBlock, sizeof(BlockIQ2_XS), decodeIQ2_XS, encodeIQ2_XS, Importance::Required},
    {"IQ2_S", kSuperBlock, sizeof(BlockIQ2_S), decodeIQ2_S, encodeIQ2_S, Importance::Optional},
    {"IQ3_XXS", kSuperBlock, sizeof(BlockIQ3_XXS), decodeIQ3_XXS, encodeIQ3_XXS, Importance::Optional},
    {"IQ3_S", kSuperBlock, sizeof(BlockIQ3_S), decodeIQ3_S, encodeIQ3_S, Importance::Optional},
    {"IQ4_NL", kBlock, sizeof(BlockIQ4_NL), decodeIQ4_NL, encodeIQ4_NL, Importance::Optional},
    {"IQ4_XS", kSuperBlock, sizeof(BlockIQ4_XS), decodeIQ4_XS, encodeIQ4_XS, Importance::Optional},
    {"TQ1_0", kSuperBlock, sizeof(BlockTQ1_0), decodeTQ1_0, encodeTQ1_0, Importance::Unused},
    {"TQ2_0", kSuperBlock, sizeof(BlockTQ2_0), decodeTQ2_0, encodeTQ2_0, Importance::Unused},
    {"MXFP4", kBlock, sizeof(BlockMXFP4), decodeMXFP4, encodeMXFP4, Importance::Unused},
    {"NVFP4", 64, sizeof(BlockNVFP4), decodeNVFP4, encodeNVFP4, Importance::Unused},
};

}  // namespace

extern const Kernels kTable = {kName, kCodecs, spanOfWeights, encodeGridRow,
                              decodeGridRow, decodePermutedRow, searchClips, errorSums, firstNonFinite, copyWeights, accumulateLogits,
                              addProducts, subtractProducts, factorDiagonal, solveRows,
                              addFeedback, predictColumns, quantizeColumns, followColumns,
                              sweepGroup, rescaleGroup, groupMoments,
                              addRows, sweepRow, rescaleRow,
                              scanLines, scanStrip, mergeMaxima, countBeyond, binsOf};

}  // namespace qs::QS_TARGET
