// CHECK: our own mistakes end the process with a sentence. On in release builds too.
#pragma once

namespace weft::detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message);
}  // namespace weft::detail

// CHECK(condition) or CHECK(condition, "what this means"): aborts when the condition is false.
#define CHECK(condition, ...)                        \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::weft::detail::check_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__))
