// The commands of the program, one file each. Every add_… registers its subcommand; its callback
// sets the exit code.
#pragma once

#include <CLI/CLI.hpp>

namespace weft {

void add_simulate(CLI::App& app, int& exit_code);
void add_estimate(CLI::App& app, int& exit_code);
void add_validate(CLI::App& app, int& exit_code);
void add_catalog(CLI::App& app, int& exit_code);
void add_serve(CLI::App& app, int& exit_code);
void add_generate(CLI::App& app, int& exit_code);
void add_model(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);

}  // namespace weft
