// Gauss-Newton over few constants; each evaluation predicts every case of the engine.
#include "plan/engine_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace weft {
namespace {

constexpr double kHuber = 0.15;  // errors beyond it pull with constant force
constexpr double kPull = 0.002;  // towards the start, per unit of logarithm and case
constexpr double kProbe = 0.05;  // of a constant, for the derivative
constexpr int kRounds = 6;
constexpr int kChords = 4;     // steps with the slopes of the start
constexpr int kReweights = 8;  // of such a step

using Vector = std::vector<double>;

std::vector<EngineConstant> fitted_constants(const Engine& engine) {
  std::vector<EngineConstant> out;
  for (const EngineConstant& constant : engine_constants()) {
    if (std::ranges::find(engine.fitted, constant.key) != engine.fitted.end()) {
      out.push_back(constant);
    }
  }
  return out;
}

double robust(double error) {
  const double size = std::abs(error);
  return size <= kHuber ? size * size / 2 : kHuber * (size - kHuber / 2);
}

class Fit {
 public:
  Fit(const std::vector<Case>& cases, const Catalog& catalog, const Engine& engine)
      : catalog_(catalog), engine_(engine), constants_(fitted_constants(engine)) {
    for (const Case& one : cases) {
      if (one.engine == engine.name && one.phase != Phase::kOperator) cases_.push_back(one);
    }
    for (const EngineConstant& constant : constants_) {
      const double value = engine_.spec.costs.*constant.member;
      start_.push_back(std::log(std::clamp(value, constant.least, constant.most)));
    }
  }

  [[nodiscard]] bool empty() const { return cases_.empty(); }
  [[nodiscard]] const std::vector<EngineConstant>& constants() const { return constants_; }

  // Constants, and what every row errs there. `slopes` may be a step old.
  struct Point {
    Vector at;
    Vector errors;
    std::vector<Vector> slopes;
  };
  [[nodiscard]] Engine engine_at(const Vector& at) const {
    Engine engine = engine_;
    for (size_t i = 0; i < constants_.size(); ++i) {
      engine.spec.costs.*constants_[i].member = std::exp(at[i]);
    }
    return engine;
  }

  [[nodiscard]] Point run() const {
    Point p{start_, errors_at(start_), {}};
    double damping = 1e-3;
    for (int round = 0; round < kRounds && !constants_.empty() && !p.errors.empty(); ++round) {
      p.slopes = slopes_at(p.at, p.errors);
      bool better = false;
      for (int attempt = 0; attempt < 4 && !better; ++attempt) {
        const Vector next = clamp(add(p.at, step(p.slopes, p.errors, p.at, damping)));
        Vector there = errors_at(next);
        better = there.size() == p.errors.size() && loss(there, next) < loss(p.errors, p.at) - 1e-9;
        damping = better ? damping / 4 : damping * 16;
        if (!better) continue;
        const bool settled = loss(p.errors, p.at) - loss(there, next) < 1e-4 * loss(p.errors, p.at);
        p.at = next;
        p.errors = std::move(there);
        if (settled) return p;
      }
      if (!better) break;
    }
    return p;
  }

  // What the cases err where a fit begins, and how that moves with each constant.
  [[nodiscard]] Point start() const {
    Point p{start_, errors_at(start_), {}};
    p.slopes = slopes_at(p.at, p.errors);
    return p;
  }
  // What this fit comes to from a start whose errors and slopes are known: `all` has the rows of
  // every family, `mine` says which are this fit's. Slopes stand; a step goes as far as they say,
  // weights renewed on the way, and is taken, or a part of it, when the cases predicted again say
  // that it was one.
  [[nodiscard]] Engine run_from(const Point& all, const std::vector<bool>& mine) const {
    Point p{all.at, kept(all.errors, mine), {}};
    for (const Vector& slope : all.slopes) p.slopes.push_back(kept(slope, mine));
    bool better = !p.errors.empty() && !p.slopes.empty();
    for (int chord = 0; chord < kChords && better; ++chord) {
      const Vector whole = foreseen_best(p);
      better = false;
      for (double part = 1; part > 0.2 && !better; part /= 2) {
        Vector next = p.at;
        for (size_t k = 0; k < next.size(); ++k) next[k] += part * (whole[k] - p.at[k]);
        Vector there = errors_at(next);
        better = there.size() == p.errors.size() && loss(there, next) < loss(p.errors, p.at) - 1e-9;
        if (!better) continue;
        p.at = next;
        p.errors = std::move(there);
      }
    }
    return engine_at(p.at);
  }
  [[nodiscard]] Engine run_engine() const { return engine_at(run().at); }

  [[nodiscard]] std::vector<Comparison> rows(const Engine& engine) const {
    return validate(cases_, catalog_, [&](const Case&) { return &engine; }).rows;
  }

 private:
  // Where the loss is least if errors move as the slopes say.
  [[nodiscard]] Vector foreseen_best(const Point& p) const {
    Vector next = p.at;
    Vector foreseen = p.errors;
    for (int i = 0; i < kReweights; ++i) {
      const Vector further = clamp(add(next, step(p.slopes, foreseen, next, 0)));
      for (size_t k = 0; k < next.size(); ++k) {
        for (size_t r = 0; r < foreseen.size(); ++r) {
          foreseen[r] += p.slopes[k][r] * (further[k] - next[k]);
        }
      }
      next = further;
    }
    return next;
  }
  static Vector kept(const Vector& values, const std::vector<bool>& mine) {
    Vector out;
    for (size_t r = 0; r < values.size() && r < mine.size(); ++r) {
      if (mine[r]) out.push_back(values[r]);
    }
    return out;
  }
  [[nodiscard]] Vector errors_at(const Vector& at) const {
    Vector out;
    for (const Comparison& row : rows(engine_at(at))) {
      out.push_back(std::log(row.predicted / row.published));
    }
    return out;
  }
  [[nodiscard]] std::vector<Vector> slopes_at(const Vector& at, const Vector& errors) const {
    std::vector<Vector> out;
    for (size_t i = 0; i < at.size(); ++i) {
      Vector probe = at;
      probe[i] += kProbe;
      Vector there = errors_at(probe);
      there.resize(errors.size());
      for (size_t r = 0; r < errors.size(); ++r) there[r] = (there[r] - errors[r]) / kProbe;
      out.push_back(std::move(there));
    }
    return out;
  }
  [[nodiscard]] double loss(const Vector& errors, const Vector& at) const {
    double sum = 0;
    for (const double error : errors) sum += robust(error);
    for (size_t i = 0; i < at.size(); ++i) sum += pull() * std::pow(at[i] - start_[i], 2) / 2;
    return sum;
  }
  [[nodiscard]] double pull() const { return kPull * static_cast<double>(cases_.size()); }

  // Solves (J'WJ + pull + damping) d = -(J'We + pull (at - start)).
  [[nodiscard]] Vector step(const std::vector<Vector>& slopes, const Vector& errors,
                            const Vector& at, double damping) const {
    const size_t n = slopes.size();
    std::vector<Vector> matrix(n, Vector(n + 1));
    for (size_t i = 0; i < n; ++i) {
      for (size_t r = 0; r < errors.size(); ++r) {
        const double weight = std::min(1.0, kHuber / std::max(1e-12, std::abs(errors[r])));
        for (size_t j = 0; j < n; ++j) matrix[i][j] += weight * slopes[i][r] * slopes[j][r];
        matrix[i][n] -= weight * slopes[i][r] * errors[r];
      }
      matrix[i][i] = matrix[i][i] * (1 + damping) + pull() + 1e-9;
      matrix[i][n] -= pull() * (at[i] - start_[i]);
    }
    return solve(std::move(matrix));
  }
  // Gauss elimination of a positive definite matrix with its right side.
  static Vector solve(std::vector<Vector> m) {
    const size_t n = m.size();
    for (size_t i = 0; i < n; ++i) {
      for (size_t r = i + 1; r < n; ++r) {
        const double factor = m[r][i] / m[i][i];
        for (size_t c = i; c <= n; ++c) m[r][c] -= factor * m[i][c];
      }
    }
    Vector out(n);
    for (size_t i = n; i-- > 0;) {
      out[i] = m[i][n];
      for (size_t c = i + 1; c < n; ++c) out[i] -= m[i][c] * out[c];
      out[i] /= m[i][i];
    }
    return out;
  }
  static Vector add(Vector a, const Vector& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += std::clamp(b[i], -1.0, 1.0);
    return a;
  }
  [[nodiscard]] Vector clamp(Vector at) const {
    for (size_t i = 0; i < at.size(); ++i) {
      at[i] = std::clamp(at[i], std::log(constants_[i].least), std::log(constants_[i].most));
    }
    return at;
  }

  std::vector<Case> cases_;
  const Catalog& catalog_;
  Engine engine_;
  std::vector<EngineConstant> constants_;
  Vector start_;
};

}  // namespace

Result<FittedEngine> fit_engine(const std::vector<Case>& cases, const Catalog& catalog,
                                const std::string& name) {
  auto engine = catalog.engine(name);
  if (!engine) return engine.error();
  Fit fit(cases, catalog, *engine);
  if (fit.empty()) return not_found(fmt::format("no case was measured with engine \"{}\"", name));
  FittedEngine out;
  out.engine = fit.run_engine();
  for (const EngineConstant& constant : fit.constants()) out.constants.push_back(constant.key);
  out.before = summarize(fit.rows(*engine));
  out.after = summarize(fit.rows(out.engine));
  return out;
}

std::string constants_text(const FittedEngine& fitted) {
  std::string out =
      fmt::format("# {} rows: mean |error| {:.1f} % before, {:.1f} % after\n", fitted.after.rows,
                  100 * fitted.before.mean_abs, 100 * fitted.after.mean_abs);
  for (const EngineConstant& constant : engine_constants()) {
    if (std::ranges::find(fitted.constants, constant.key) == fitted.constants.end()) continue;
    out += fmt::format("{} = {:.4g}\n", constant.key,
                       fitted.engine.spec.costs.*constant.member * constant.per_unit);
  }
  return out;
}

namespace {

// Where every fit of one engine begins, with constants that saw no case: predicted once for all
// families. A row's error and slopes there are its own, so that who is left out has no say.
struct SharedStart {
  Engine engine;
  Fit::Point point;
  std::vector<std::string> families;  // of the rows
};

SharedStart shared_start(const std::vector<Case>& cases, const Catalog& catalog,
                         const Engine& engine) {
  SharedStart start{engine, {}, {}};
  const Fit fit(cases, catalog, engine);
  if (fit.empty() || fit.constants().empty()) return start;
  start.point = fit.start();
  for (const Comparison& row : fit.rows(engine)) start.families.push_back(row.family);
  return start;
}

Engine fit_others(const SharedStart& start, const std::vector<Case>& others, const Catalog& catalog,
                  const std::string& family) {
  const Fit fit(others, catalog, start.engine);
  if (fit.empty() || fit.constants().empty()) return start.engine;
  std::vector<bool> mine;
  for (const std::string& one : start.families) mine.push_back(one != family);
  return fit.run_from(start.point, mine);
}

}  // namespace

Result<Validation> leave_one_out(const std::vector<Case>& cases, const Catalog& catalog,
                                 const std::function<void(const std::string&)>& progress) {
  std::map<std::string, std::vector<Case>> families;
  for (const Case& one : cases) families[one.family].push_back(one);
  std::map<std::string, SharedStart> starts;
  for (const Case& one : cases) {
    if (one.engine.empty() || starts.contains(one.engine)) continue;
    auto engine = catalog.engine(one.engine);
    if (!engine) continue;  // the prediction says so
    reset_fitted(*engine);
    starts.emplace(one.engine, shared_start(cases, catalog, *engine));
  }
  Validation out;
  for (const auto& [family, members] : families) {
    progress(family);
    std::vector<Case> others;
    for (const Case& one : cases) {
      if (one.family != family) others.push_back(one);
    }
    std::map<std::string, Engine> engines;
    for (const Case& one : members) {
      const auto start = starts.find(one.engine);
      if (start == starts.end() || engines.contains(one.engine)) continue;
      engines.emplace(one.engine, fit_others(start->second, others, catalog, family));
    }
    Validation part = validate(members, catalog, [&](const Case& one) {
      const auto at = engines.find(one.engine);
      return at == engines.end() ? nullptr : &at->second;
    });
    out.rows.insert(out.rows.end(), part.rows.begin(), part.rows.end());
    out.unusable.insert(out.unusable.end(), part.unusable.begin(), part.unusable.end());
  }
  return out;
}

}  // namespace weft
