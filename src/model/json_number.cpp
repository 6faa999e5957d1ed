// Digit by digit, with one flag per bound: whether the digits so far are the bound's own.
#include "model/json_number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace weft {
namespace {

constexpr int kMaxDigits = 15;
constexpr int kMaxIntegerDigits = 18;
constexpr int kMaxFractionDigits = 18;

Decimal split(std::string text) {
  Decimal out;
  if (text.front() == '-') {
    out.negative = true;
    text.erase(0, 1);
  }
  const size_t point = text.find('.');
  out.whole = text.substr(0, point);
  if (point == std::string::npos) return out;
  out.fraction = text.substr(point + 1);
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  return out;
}

bool is_zero(const Decimal& value) { return value.whole == "0" && value.fraction.empty(); }

// Whether a's magnitude is at most b's.
bool is_at_most(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size();
  if (a.whole != b.whole) return a.whole < b.whole;
  return a.fraction <= b.fraction;  // no trailing zeros
}

// Adds numbers without sign from `low` to `high`, all that have the same count of whole digits.
class MagnitudeRange {
 public:
  MagnitudeRange(GrammarBuilder& builder, bool is_integer, GrammarStateId end)
      : b_(builder), is_integer_(is_integer), end_(end) {}

  struct Bound {
    Decimal at;
    bool open;
  };

  void add(GrammarStateId start, const Bound& low, const std::optional<Bound>& high) {
    if (high && !is_at_most(low.at, high->at)) return;
    const size_t most = is_integer_ ? kMaxIntegerDigits : kMaxDigits;
    const size_t longest = high ? std::min(high->at.whole.size(), most) : most;
    for (size_t length = low.at.whole.size(); length <= longest; ++length) {
      low_ = length == low.at.whole.size() ? std::optional(low) : std::nullopt;
      high_ = high && length == high->at.whole.size() ? high : std::nullopt;
      add_length(start, length);
    }
  }

 private:
  struct Front {  // a state for each pair of flags
    std::optional<GrammarStateId> at[2][2];
  };

  static int digit(const std::string& digits, size_t place) {
    return place < digits.size() ? digits[place] - '0' : 0;
  }

  // One digit from every state of `from`; `least` where no bound says more.
  Front advance(const Front& from, const std::string* low, const std::string* high, size_t place,
                int least) {
    Front next;
    for (const bool at_low : {false, true}) {
      for (const bool at_high : {false, true}) {
        if (!from.at[at_low][at_high]) continue;
        const int first = at_low ? digit(*low, place) : least;
        const int last = at_high ? digit(*high, place) : 9;
        for (int d = first; d <= last; ++d) {
          auto& to = next.at[at_low && d == first][at_high && d == last];
          if (!to) to = b_.add_state();
          const auto byte = static_cast<uint8_t>('0' + d);
          b_.add_bytes(*from.at[at_low][at_high], byte, byte, *to);
        }
      }
    }
    return next;
  }

  // Where the number may end after `places` digits of its fraction.
  void add_ends(const Front& front, size_t places) {
    for (const bool at_low : {false, true}) {
      for (const bool at_high : {false, true}) {
        if (!front.at[at_low][at_high]) continue;
        const bool reaches = !at_low || (places >= low_->at.fraction.size() && !low_->open);
        const bool stays = !at_high || places < high_->at.fraction.size() || !high_->open;
        if (reaches && stays) b_.add_empty(*front.at[at_low][at_high], end_);
      }
    }
  }

  void add_length(GrammarStateId start, size_t length) {
    Front front;
    front.at[low_.has_value()][high_.has_value()] = start;
    for (size_t place = 0; place < length; ++place) {
      front = advance(front, low_ ? &low_->at.whole : nullptr, high_ ? &high_->at.whole : nullptr,
                      place, place == 0 && length > 1 ? 1 : 0);
    }
    add_ends(front, 0);
    if (is_integer_ || length >= kMaxDigits) return;
    Front after_point;
    for (const bool at_low : {false, true}) {
      for (const bool at_high : {false, true}) {
        if (!front.at[at_low][at_high]) continue;
        after_point.at[at_low][at_high] = b_.add_text(*front.at[at_low][at_high], ".");
      }
    }
    for (size_t place = 0; place < kMaxDigits - length; ++place) {
      after_point = advance(after_point, low_ ? &low_->at.fraction : nullptr,
                            high_ ? &high_->at.fraction : nullptr, place, 0);
      add_ends(after_point, place + 1);
    }
  }

  GrammarBuilder& b_;
  bool is_integer_;
  GrammarStateId end_;
  std::optional<Bound> low_;  // of the length at hand
  std::optional<Bound> high_;
};

}  // namespace

std::optional<Decimal> decimal_of(const TemplateValue& value) {
  if (value.is(TemplateValue::Kind::kInteger)) {
    Decimal out = split(fmt::format("{}", value.as_integer()));
    if (out.whole.size() > kMaxIntegerDigits) return std::nullopt;
    return out;
  }
  const double number = value.as_number();
  if (!(std::abs(number) < 1e15)) return std::nullopt;
  for (int digits = 0; digits <= kMaxFractionDigits; ++digits) {
    const std::string text = fmt::format("{:.{}f}", number, digits);
    if (std::strtod(text.c_str(), nullptr) == number) return split(text);
  }
  return std::nullopt;
}

GrammarStateId add_bounded_number(GrammarBuilder& b, const NumberBounds& bounds, bool is_integer) {
  const GrammarStateId start = b.add_state();
  const GrammarStateId end = b.add_state();
  b.accept(end);
  using Bound = MagnitudeRange::Bound;
  MagnitudeRange range(b, is_integer, end);
  const auto& [low, high, low_open, high_open] = bounds;
  const auto bound = [](const std::optional<Decimal>& at, bool open) {
    return at ? std::optional(Bound{*at, open}) : std::nullopt;
  };
  const auto is_below_zero = [](const Decimal& value) { return value.negative && !is_zero(value); };
  if (!high || !is_below_zero(*high)) {
    const bool from_low = low && !is_below_zero(*low);
    Bound least = from_low ? Bound{*low, low_open} : Bound{Decimal{}, false};
    range.add(start, least, bound(high, high_open));
  }
  if (!low || is_below_zero(*low)) {
    const bool from_high = high && is_below_zero(*high);
    const Bound least = from_high ? Bound{*high, high_open} : Bound{Decimal{}, true};  // not -0
    const GrammarStateId minus = b.add_text(start, "-");
    range.add(minus, least, bound(low, low_open));
  }
  return start;
}

}  // namespace weft
