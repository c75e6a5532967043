#pragma once

#include <cstdio>
#include <string>

/// What programs of tests expect; they end with an error if anything failed.
namespace qs::test {

inline int failures = 0;

inline void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what.c_str());
  ++failures;
}

}  // namespace qs::test
