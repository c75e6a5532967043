{
  "targets": [
    {
      "target_name": "quantscope",
      "sources": [
        "native/binding.cc",
        "native/operations.cc",
        "native/pool.cc",
        "native/kernels/affine.cc",
        "native/kernels/codecs.cc",
        "native/kernels/kquants.cc",
        "native/kernels/legacy.cc",
        "native/kernels/measures.cc",
        "native/kernels/nf4.cc",
        "native/kernels/scan.cc",
        "native/kernels/scheme.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": ["-O3", "-ffp-contract=off", "-fno-math-errno"]
      },
      "msvs_settings": {
        "VCCLCompilerTool": { "ExceptionHandling": 1, "AdditionalOptions": ["/std:c++20", "/fp:precise"] }
      }
    }
  ]
}
