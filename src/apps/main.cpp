// weft: serves large language models the way a supernode does, and foresees how fast it will be.
#include <cstdio>
#include <string>

#include "apps/commands.h"

int main(int argc, char** argv) {
  CLI::App app{
      "weft serves large language models the way a supernode does, and tells you beforehand how "
      "fast any such system will be."};
  app.name("weft");
  app.footer(
      "Example:\n  weft simulate scenarios/hello.toml\n"
      "Every command answers --help with an example.");
  app.require_subcommand(1);
  app.set_version_flag("--version", "weft 0.1.0");
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("weft: ") + error.what() + "; --help says what there is\n";
  });
  int exit_code = 0;
  weft::add_serve(app, exit_code);
  weft::add_simulate(app, exit_code);
  weft::add_estimate(app, exit_code);
  weft::add_validate(app, exit_code);
  weft::add_catalog(app, exit_code);
  weft::add_generate(app, exit_code);
  weft::add_model(app, exit_code);
  weft::add_bench(app, exit_code);
  const std::string first = argc > 1 ? argv[1] : "";
  const auto named = [&first](const CLI::App* command) { return command->get_name() == first; };
  if (!first.empty() && first[0] != '-' && app.get_subcommands(named).empty()) {
    std::fprintf(
        stderr,
        "weft: %s: unknown command; expected serve, generate, simulate, estimate, validate, "
        "catalog, model or bench\n",
        first.c_str());
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
