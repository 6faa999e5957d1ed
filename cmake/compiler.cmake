# How every file is compiled and linked: standard, warnings, sanitizers, ccache and mold.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(oldest_GNU 12)
set(oldest_Clang 16)
if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS "${oldest_${CMAKE_CXX_COMPILER_ID}}")
  message(FATAL_ERROR "weft needs GCC 12 or Clang 16, or newer; found ${CMAKE_CXX_COMPILER_ID} "
                      "${CMAKE_CXX_COMPILER_VERSION} at ${CMAKE_CXX_COMPILER}")
endif()

# The same numbers under every compiler: no fused multiply-add behind our back.
add_compile_options(-ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                    -Wno-sign-conversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options(-Wno-maybe-uninitialized)  # false alarms over std::variant
endif()
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
if(WEFT_WERROR)
  add_compile_options(-Werror)
endif()

# Sanitized code at -O1 with line numbers: quick to compile, and quick enough to run.
if(WEFT_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
endif()

find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WEFT_CCACHE})
endif()

find_program(WEFT_MOLD mold)
if(WEFT_MOLD)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=mold weft_links_with_mold)
  if(weft_links_with_mold)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
