{
  "variables": {
    # Compiled once per instruction set (native/kernels/simd/vector.h). Contraction and fast math stay off, so that all
    # instruction sets give the same bytes.
    "kernel_sources": [
      "native/kernels/descent.cc",
      "native/kernels/feedback.cc",
      "native/kernels/clips.cc",
      "native/kernels/fp4.cc",
      "native/kernels/iq1.cc",
      "native/kernels/iq2.cc",
      "native/kernels/iq3.cc",
      "native/kernels/iq4.cc",
      "native/kernels/kquants_affine.cc",
      "native/kernels/kquants_decode.cc",
      "native/kernels/kquants_symmetric.cc",
      "native/kernels/legacy.cc",
      "native/kernels/levels.cc",
      "native/kernels/logits.cc",
      "native/kernels/numbers.cc",
      "native/kernels/products.cc",
      "native/kernels/row_descent.cc",
      "native/kernels/scan_tile.cc",
      "native/kernels/sums.cc",
      "native/kernels/table.cc",
      "native/kernels/ternary.cc"
    ],
    "exact_flags": ["-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra"],
    "exact_msvc": ["/std:c++20", "/fp:precise", "/O2"]
  },
  "target_defaults": {
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
    "cflags_cc": ["<@(exact_flags)"],
    "xcode_settings": {
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
    },
    "msvs_settings": { "VCCLCompilerTool": { "ExceptionHandling": 1, "AdditionalOptions": ["<@(exact_msvc)"] } }
  },
  "targets": [
    { "target_name": "kernels_scalar", "type": "static_library", "sources": ["<@(kernel_sources)"] },
    {
      "target_name": "quantscope",
      "sources": [
        "native/binding/arguments.cc",
        "native/binding/codecs.cc",
        "native/binding/columns.cc",
        "native/binding/errors.cc",
        "native/binding/grid_arguments.cc",
        "native/binding/grids.cc",
        "native/binding/machine.cc",
        "native/binding/measurements.cc",
        "native/binding/module.cc",
        "native/binding/scan_object.cc",
        "native/binding/solvers.cc",
        "native/binding/task.cc",
        "native/binding/training.cc",
        "native/grid_operations.cc",
        "native/operations.cc",
        "native/pool.cc",
        "native/scan/code_table.cc",
        "native/scan/first_part.cc",
        "native/scan/histogram.cc",
        "native/scan/pieces.cc",
        "native/scan/results.cc",
        "native/scan/scan.cc",
        "native/scan/second_part.cc",
        "native/scan/value_counts.cc",
        "native/solvers/block_codes.cc",
        "native/solvers/block_levels.cc",
        "native/solvers/block_row.cc",
        "native/solvers/block_slab.cc",
        "native/solvers/block_steps.cc",
        "native/solvers/descent.cc",
        "native/solvers/factor.cc",
        "native/solvers/gptq.cc",
        "native/solvers/gradient_panel.cc",
        "native/solvers/gram.cc",
        "native/solvers/hessian_tiles.cc",
        "native/solvers/lattice_gptq.cc",
        "native/solvers/lattice_slab.cc",
        "native/solvers/lattice_steps.cc",
        "native/solvers/limits.cc",
        "native/solvers/nearest_octet.cc",
        "native/solvers/octet_metric.cc",
        "native/solvers/outputs.cc",
        "native/solvers/scale_fit.cc",
        "native/solvers/own_hessians.cc",
        "native/solvers/row_steps.cc",
        "native/solvers/training.cc",
        "native/solvers/two_sided.cc",
        "native/solvers/type_steps.cc",
        "native/statistics.cc",
        "native/kernels/block_parts.cc",
        "native/kernels/grids.cc",
        "native/kernels/kernels.cc",
        "native/kernels/lattice_parts.cc",
        "native/kernels/measures.cc",
        "native/kernels/validity.cc",
        "native/kernels/weight_grid.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "dependencies": ["kernels_scalar"],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["kernels_avx2", "kernels_avx512"] }],
        ["target_arch=='arm64'", { "dependencies": ["kernels_neon"] }]
      ]
    }
  ],
  "conditions": [
    [
      "target_arch=='x64'",
      {
        "targets": [
          {
            "target_name": "kernels_avx2",
            "type": "static_library",
            "sources": ["<@(kernel_sources)"],
            "defines": ["QS_AVX2"],
            "cflags_cc": ["-mavx2", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt"],
            "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["-mavx2", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt"] },
            "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/arch:AVX2"] } }
          },
          {
            "target_name": "kernels_avx512",
            "type": "static_library",
            "sources": ["<@(kernel_sources)"],
            "defines": ["QS_AVX512"],
            # GCC 12 takes the undefined operands in its own AVX-512 headers for uninitialized variables.
            "cflags_cc": [
              "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt",
              "-mprefer-vector-width=512", "-Wno-uninitialized", "-Wno-maybe-uninitialized"
            ],
            "xcode_settings": {
              "OTHER_CPLUSPLUSFLAGS": [
                "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt"
              ]
            },
            "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/arch:AVX512"] } }
          }
        ]
      }
    ],
    [
      "target_arch=='arm64'",
      {
        "targets": [
          {
            "target_name": "kernels_neon",
            "type": "static_library",
            "sources": ["<@(kernel_sources)"],
            "defines": ["QS_NEON"]
          }
        ]
      }
    ]
  ]
}
