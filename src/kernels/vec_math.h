// Exponentials over a vector type V (vec_*.h), by polynomials of stated error.
#pragma once

namespace weft::kernels {

// e^x: 2^n * e^r with n the whole number next to x / ln 2 and r in [-ln 2 / 2, ln 2 / 2]; the
// polynomial is minimax with value 1 at 0, error 2.6e-9.
template <class V>
typename V::F exp_of(typename V::F x) {
  using F = typename V::F;
  const F low = V::set(-87.33F);
  const F clamped = V::min(V::set(88.37F), V::max(low, x));  // not a number stays so
  const F magic = V::set(12582912.0F);  // 1.5 * 2^23: adding it rounds to a whole number
  const F n = V::sub(V::fma(clamped, V::set(1.44269504F), magic), magic);
  F r = V::fma(n, V::set(-0.693359375F), clamped);
  r = V::fma(n, V::set(2.12194440e-4F), r);
  F p = V::set(0.00140612409434F);
  p = V::fma(p, r, V::set(0.00837901116061F));
  p = V::fma(p, r, V::set(0.0416647772892F));
  p = V::fma(p, r, V::set(0.166663654413F));
  p = V::fma(p, r, V::set(0.500000043438F));
  p = V::fma(p, r, V::set(1.00000004964F));
  p = V::fma(p, r, V::set(1.0F));
  return V::zero_below(x, low, V::times_power_of_two(p, n));
}

template <class V>
typename V::F sigmoid_of(typename V::F x) {
  const typename V::F one = V::set(1.0F);
  return V::div(one, V::add(one, exp_of<V>(V::sub(V::set(0.0F), x))));
}

// 2^x for x in [-126, 0], and 2^-126 below; minimax polynomials with value 1 at 0: of degree 5,
// error 4.3e-7, or of degree 4, error 3.6e-6.
template <class V, int Degree>
typename V::F exp2_of(typename V::F x) {
  using F = typename V::F;
  x = V::max(V::set(-126.0F), x);  // not a number stays so
  const F magic = V::set(12582912.0F);
  const F n = V::sub(V::add(x, magic), magic);
  const F r = V::sub(x, n);
  F p;
  if constexpr (Degree == 5) {
    p = V::fma(V::set(0.00111255092635F), r, V::set(0.00966628254749F));
    p = V::fma(p, r, V::set(0.0555740046864F));
    p = V::fma(p, r, V::set(0.240223506502F));
    p = V::fma(p, r, V::set(0.693142830611F));
  } else {
    p = V::fma(V::set(0.00978291263782F), r, V::set(0.0559768836305F));
    p = V::fma(p, r, V::set(0.240207110766F));
    p = V::fma(p, r, V::set(0.693113604403F));
  }
  p = V::fma(p, r, V::set(1.0F));
  return V::times_power_of_two(p, n);
}

}  // namespace weft::kernels
