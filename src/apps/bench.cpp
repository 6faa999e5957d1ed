// weft bench: measures this machine. `sim` measures the simulator itself, `engine` a checkpoint.
#include "apps/bench_engine.h"
#include "apps/bench_sim.h"
#include "apps/calibrate.h"
#include "apps/commands.h"
#include "apps/output.h"

namespace weft {

namespace {

void add_bench_engine(CLI::App& bench, int& exit_code) {
  CLI::App* engine =
      bench.add_subcommand("engine", "tokens per second of a checkpoint, beside the limits here");
  auto options = std::make_shared<BenchEngineOptions>();
  add_model_options(*engine, options->model);
  engine->add_option("--prompt", options->prompt, "tokens of a prompt, and of the context after it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  engine->add_option("--batch", options->batches, "sequences that decode together")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  engine->add_option("--steps", options->steps, "decode steps of each batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  engine->add_option("--repeats", options->repeats, "prompts, of which the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  engine->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  auto calibration = std::make_shared<CalibrateOptions>();
  auto* file = engine->add_option("--calibrate", calibration->file,
                                  "writes what this machine does as hardware for weft simulate");
  engine
      ->add_option("--seconds", calibration->seconds,
                   "of --calibrate: that kernels are timed for, about")
      ->needs(file)
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  engine->footer(
      "Example:\n  weft model init --like qwen3 --size small --out /tmp/small\n"
      "  weft bench engine --model /tmp/small --weights int8 --batch 1 16\n"
      "  weft bench engine --calibrate here.toml");
  engine->callback([options, calibration, &exit_code] {
    calibration->model = options->model;
    exit_code =
        report_status(calibration->file.empty() ? bench_engine(*options) : calibrate(*calibration));
  });
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "measures this machine");
  bench->require_subcommand(1);
  bench->footer("Example:\n  weft bench sim");
  add_bench_engine(*bench, exit_code);
  CLI::App* sim = bench->add_subcommand("sim", "speed and memory of the simulator, one thread");
  auto options = std::make_shared<BenchSimOptions>();
  sim->add_flag("--quick", options->quick, "a tenth of the requests of each case");
  sim->add_option("--only", options->only, "runs the cases whose name contains this");
  sim->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  sim->footer("Example:\n  weft bench sim --only day");
  sim->callback([options, &exit_code] { exit_code = report_status(bench_sim(*options)); });
}

}  // namespace weft
