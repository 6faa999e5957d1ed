// Role of an instance: which part of a request's life it serves.
#pragma once

#include <string_view>

namespace weft {

enum class Role { kPrefill, kDecode, kUnified };

constexpr std::string_view role_name(Role role) {
  switch (role) {
    case Role::kPrefill:
      return "prefill";
    case Role::kDecode:
      return "decode";
    case Role::kUnified:
      break;
  }
  return "unified";
}

}  // namespace weft
