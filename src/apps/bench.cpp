// weft bench: measures this machine, or a server. `sim` measures the simulator itself, `engine` a
// checkpoint, `serve` any OpenAI-compatible endpoint.
#include "apps/bench_engine.h"
#include "apps/bench_serve.h"
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

// What is sent, and how densely.
void add_load_options(CLI::App& serve, BenchServeOptions& options) {
  auto* workload = serve.add_option("--workload", options.workload,
                                    "a TOML file: a scenario, or its [workload] table alone");
  auto* trace = serve.add_option("--trace", options.trace, "a recorded trace, in any known format");
  serve.add_option("--speedup", options.speedup, "recorded arrivals so many times as dense")
      ->check(CLI::Range(1e-6, 1e6));
  auto* rate = serve.add_option("--rate", options.rate, "open loop: requests per second")
                   ->check(CLI::Range(1e-9, 1e7));
  serve.add_option("--process", options.process, "how they arrive: poisson, gamma or fixed")
      ->check(CLI::IsMember({"poisson", "gamma", "fixed"}))
      ->needs(rate)
      ->capture_default_str();
  serve.add_option("--cv", options.cv, "of gamma: deviation of the gaps over their mean")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  serve
      .add_option("--concurrency", options.concurrency,
                  "closed loop: so many users, each sending again when it has its answer")
      ->check(CLI::Range(1, 1'000'000))
      ->excludes(rate);
  serve.add_option("--requests", options.requests, "stops after so many")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000'000}));
  serve.add_option("--duration", options.duration_s, "stops sending after so many seconds")
      ->check(CLI::Range(1e-3, 1e9));
  for (auto* option :
       {serve.add_option("--input-tokens", options.input_tokens, "of each prompt"),
        serve.add_option("--output-tokens", options.output_tokens, "of each answer")}) {
    option->check(CLI::Range(1, 100'000'000))->excludes(workload)->excludes(trace);
    option->capture_default_str();
  }
  trace->excludes(workload);
  serve
      .add_option("--prefix-reuse", options.prefix_reuse,
                  "share of each prompt in common with others, in one of 16 ways")
      ->check(CLI::Range(0.0, 1.0));
  serve
      .add_option("--shared-prefix", options.shared_prefix,
                  "so many tokens in front of every prompt, the same in all")
      ->check(CLI::Range(0, 100'000'000));
  serve.add_option("--seed", options.seed, "of arrivals, lengths and contents")
      ->capture_default_str();
}

void add_bench_serve(CLI::App& bench, int& exit_code) {
  CLI::App* serve =
      bench.add_subcommand("serve", "load on an OpenAI-compatible server, and what its users see");
  auto options = std::make_shared<BenchServeOptions>();
  serve->add_option("--url", options->url, "http://HOST:PORT of the server")->required();
  serve->add_option("--model", options->model, "default: the first that the server lists");
  add_load_options(*serve, *options);
  serve->add_option("--endpoint", options->endpoint, "completions or chat")
      ->check(CLI::IsMember({"completions", "chat"}))
      ->capture_default_str();
  serve->add_flag("--token-ids", options->token_ids,
                  "prompts as token ids, so that their length is exact (weft, vLLM)");
  serve
      ->add_option("--token-range", options->token_range,
                   "the ids to draw from: first, and one past the last (default 1000 10000)")
      ->expected(2);
  serve->add_option("--slo-ttft-ms", options->slo_ttft_ms, "bound on the time to the first token")
      ->check(CLI::PositiveNumber);
  serve->add_option("--slo-tpot-ms", options->slo_tpot_ms, "bound on the time per further token")
      ->check(CLI::PositiveNumber);
  serve->add_option("--api-key", options->api_key, "bearer token")->envname("OPENAI_API_KEY");
  serve->add_option("--timeout", options->timeout_s, "seconds for a whole reply")
      ->check(CLI::Range(1e-3, 1e6))
      ->capture_default_str();
  serve->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  serve->footer(
      "Example:\n  weft bench serve --url http://127.0.0.1:8000 --rate 8 --requests 500 "
      "--input-tokens 1024 \\\n      --output-tokens 256 --slo-ttft-ms 500 --slo-tpot-ms 50");
  serve->callback([options, &exit_code] { exit_code = report_status(bench_serve(*options)); });
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "measures this machine, or a server");
  bench->require_subcommand(1);
  bench->footer("Example:\n  weft bench sim");
  add_bench_engine(*bench, exit_code);
  add_bench_serve(*bench, exit_code);
  CLI::App* sim = bench->add_subcommand("sim", "speed and memory of the simulator, one thread");
  auto options = std::make_shared<BenchSimOptions>();
  sim->add_flag("--quick", options->quick, "a tenth of the requests of each case");
  sim->add_option("--only", options->only, "runs the cases whose name contains this");
  sim->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  sim->footer("Example:\n  weft bench sim --only day");
  sim->callback([options, &exit_code] { exit_code = report_status(bench_sim(*options)); });
}

}  // namespace weft
