// Where a failed CHECK goes: one line on stderr, then abort.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace weft::detail {

void check_failed(const char* file, int line, const char* condition) {
  check_failed(file, line, condition, "this must hold");
}

void check_failed(const char* file, int line, const char* condition, const char* message) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: %s\n", file, line, condition, message);
  std::abort();
}

}  // namespace weft::detail
