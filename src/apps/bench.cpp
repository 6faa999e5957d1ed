// weft bench: measures this machine. `sim` measures the simulator itself.
#include "apps/bench_sim.h"
#include "apps/commands.h"
#include "apps/output.h"

namespace weft {

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "measures this machine");
  bench->require_subcommand(1);
  bench->footer("Example:\n  weft bench sim");
  CLI::App* sim = bench->add_subcommand("sim", "speed and memory of the simulator, one thread");
  auto options = std::make_shared<BenchSimOptions>();
  sim->add_flag("--quick", options->quick, "a tenth of the requests of each case");
  sim->add_option("--only", options->only, "runs the cases whose name contains this");
  sim->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  sim->footer("Example:\n  weft bench sim --only day");
  sim->callback([options, &exit_code] { exit_code = report_status(bench_sim(*options)); });
}

}  // namespace weft
