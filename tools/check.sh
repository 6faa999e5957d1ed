# The steps of ./weft check, which reads this file: each prints one line, and what went wrong.
# A step is a function; its last line of output is shown beside its name; 77 means skipped.

passed=0 failed=0 skipped=0
scenario=scenarios/hello.toml

# step NAME [after=NAME…] COMMAND…: runs the command unless one of the steps before it failed.
declare -A done_well
step() {
  local name=$1 start=$SECONDS output status=0 word=ok note
  shift
  while [[ $1 == after=* ]]; do
    if [[ -z ${done_well[${1#after=}]:-} ]]; then
      failed=$((failed + 1))
      printf 'FAIL  %-28s           not run: %s failed\n' "$name" "${1#after=}"
      return
    fi
    shift
  done
  [[ -t 3 ]] && printf '%s …' "$name" >&3
  set +e
  output=$(set -e; "$@" 2>&1)
  status=$?
  set -e
  [[ -t 3 ]] && printf '\r\e[K' >&3
  note=${output##*$'\n'}
  case $status in
    0) passed=$((passed + 1)) done_well[$name]=1 ;;
    77) skipped=$((skipped + 1)) word=skip ;;
    *)
      failed=$((failed + 1)) word=FAIL note=""
      printf '%s\n' "$output"
      ;;
  esac
  printf '%-4s  %-28s %4d s   %s\n' "$word" "$name" $((SECONDS - start)) "$note"
}

# Every source that git does not ignore; without git, every source.
sources() {
  local file
  cd "$root"
  { git ls-files -co --exclude-standard -- src bench fuzz 2>/dev/null ||
    find src bench fuzz -type f; } | grep -E '\.(cpp|h)$' | sort -u | while read -r file; do
    [[ -f $file ]] && printf '%s\n' "$file"
  done
}

format_step() {
  local files
  ((clang == 16)) || { echo "the format is clang-format 16's; here is $clang"; return 77; }
  cd "$root"
  mapfile -t files < <(sources)
  clang-format-16 --dry-run -Werror "${files[@]}"
  echo "${#files[@]} files"
}

# What tidy reads, tests apart: with --all every source, else what differs from the last commit.
tidy_sources() {
  if [[ $1 == --all ]] || ! git -C "$root" rev-parse -q --verify HEAD >/dev/null; then
    sources
  else
    git -C "$root" diff --name-only HEAD
    git -C "$root" ls-files -o --exclude-standard
  fi | grep -E '^(src|bench|fuzz)/.*\.(cpp|h)$' | grep -v '_test\.cpp$' || true
}

# The files to run tidy on: a header is read with the source of its name, or else through the file
# that compiles it alone.
tidy_units() {
  local file
  tidy_sources "$1" | while read -r file; do
    [[ -f $root/$file ]] || continue
    if [[ $file == *.h ]]; then
      file=${file%.h}.cpp
      [[ -f $root/$file ]] || file=build/asan/headers/${file#src/}
    fi
    grep -qF "/$file\"" "$root/build/asan/compile_commands.json" && printf '%s\n' "$file"
  done | awk '!seen[$0]++'
}

tidy_one() {
  local header=${1##*/} output
  header="/$(basename "$(dirname "$1")")/${header%.cpp}\\.h\$"
  if ((EPOCHSECONDS > TIDY_END)); then
    echo "left $1"
    return
  fi
  output=$("clang-tidy-$clang" -p build/asan --quiet --header-filter="$header" "$1" 2>&1) ||
    { grep -v ' warnings\? generated\.$' <<<"$output"; return 1; }
}

tidy_step() {
  local units left output budget=36000
  [[ -n ${CI:-} && $1 != --all ]] && budget=150
  mapfile -t units < <(tidy_units "$1")
  ((${#units[@]})) || { echo "no source differs from the last commit"; return 0; }
  export -f tidy_one
  export clang TIDY_END=$((EPOCHSECONDS + budget))
  cd "$root"
  output=$(printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'tidy_one "$1"' _) ||
    { echo "$output"; return 1; }
  left=$(grep -c '^left ' <<<"$output" || true)
  echo "$((${#units[@]} - left)) files$( ((left)) && echo "; $left more not reached in $budget s")"
}

# Each libFuzzer program for a few seconds. What it finds lies in build/asan/fuzz.
fuzz_step() {
  local seconds=${WEFT_FUZZ_SECONDS:-10} dir=$root/build/asan/fuzz programs
  programs=("$dir"/*_fuzz)
  [[ -x ${programs[0]} ]] || { echo "no fuzzer yet"; return 77; }
  printf '%s\0' "${programs[@]}" |
    xargs -0 -n 1 -P "$jobs" bash -c 'fuzz_one "$@"' _ "$root" "$seconds"
  echo "${#programs[@]} fuzzers, $seconds s each"
}

fuzz_one() {
  local program=$3 name seeds
  name=$(basename "$program" _fuzz)
  seeds=$1/fuzz/corpus/$name
  mkdir -p "$program.found" "$seeds"
  "$program" -max_total_time="$2" -timeout=10 -rss_limit_mb=4096 -max_len=4096 -verbosity=0 \
    -print_final_stats=0 -artifact_prefix="$program-" "$program.found" "$seeds" \
    >"$program.log" 2>&1 || { tail -n 40 "$program.log"; return 1; }
}

digest() {
  (cd "$root" && "build/$1/weft" simulate "$scenario" --json -) |
    sed -n 's/.*"digest": *"\{0,1\}\([0-9A-Za-z]*\).*/\1/p'
}

digest_step() {
  local preset digests=()
  [[ -f $root/$scenario ]] || { echo "no $scenario yet"; return 77; }
  for preset in release clang asan; do
    digests+=("$(digest "$preset")")
    [[ -n ${digests[-1]} ]] || { echo "build/$preset/weft gave no digest"; return 1; }
  done
  if [[ ${digests[0]} != "${digests[1]}" || ${digests[0]} != "${digests[2]}" ]]; then
    echo "digests differ: GCC ${digests[0]}, Clang ${digests[1]}, sanitized ${digests[2]}"
    return 1
  fi
  echo "${digests[0]} by GCC, by Clang and sanitized"
}

check_command() {
  case ${1:-} in
    "" | --all) ;;
    *)
      say "check: unknown option $1; usage: ./weft check [--all]"
      exit 2
      ;;
  esac
  export -f fuzz_one
  step "format" format_step
  step "structure" python3 -B "$root/tools/check_structure.py"
  step "GCC release" build release weft bench
  step "Clang release" build clang weft
  step "Clang sanitized" build asan all
  step "tests, sanitized" after="Clang sanitized" run_tests asan
  step "fuzzers" after="Clang sanitized" fuzz_step
  step "one scenario, three builds" after="GCC release" after="Clang release" \
    after="Clang sanitized" digest_step
  step "tidy" after="Clang sanitized" tidy_step "${1:-}"
  printf '%d passed, %d failed' "$passed" "$failed"
  ((skipped)) && printf ', %d skipped' "$skipped"
  printf '\n'
  ((failed == 0))
}
