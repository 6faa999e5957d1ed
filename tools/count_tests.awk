# Reads ctest's LastTest.log. Prints the output of programs that failed, less the cases that passed;
# then each skipped case with its reason; then "N passed, N failed[, N skipped]" over all gtest
# cases. A program that is not gtest counts as one case. Exits with 1 when something failed.

# The lines since a case began are kept until it is known how it ended.
function end_case(keep) {
  if (keep) shown = shown lines
  lines = ""
  running = 0
}

/^[0-9]+\/[0-9]+ Test: / { name = $3; next }
/^Output:$/ {
  getline
  inside = 1
  shown = lines = reason = ""
  gtest = running = ok = bad = 0
  next
}
/^<end of output>$/ { inside = 0; next }
!inside && /^Test (Passed|Failed)\.$/ {
  good = /Passed/
  if (running) { bad++; end_case(1) }
  if (good && !gtest) ok = 1
  if (!good && !bad) bad = 1
  if (!good) printf "---- %s\n%s", name, shown
  passed += ok
  failed += bad
  next
}
!inside { next }

/\[==========\] Running / { gtest = 1; next }
/^\[ RUN      \] / { running = 1; lines = $0 "\n"; next }
/\[       OK \] .* \([0-9]+ ms\)$/ { ok++; end_case(0); next }
/\[  FAILED  \] .* \([0-9]+ ms\)$/ { bad++; lines = lines $0 "\n"; end_case(1); next }
/\[  SKIPPED \] .* \([0-9]+ ms\)$/ {
  skipped++
  sub(/.*\[  SKIPPED \] /, "")
  sub(/ \([0-9]+ ms\)$/, "")
  skips = skips "skipped: " $0 (reason != "" ? ": " reason : "") "\n"
  reason = ""
  end_case(0)
  next
}
/: Skipped$/ { getline; reason = $0; next }
running { lines = lines $0 "\n"; next }
/^\[[-=]+\]/ || /^\[  (PASSED|FAILED|SKIPPED) / || / FAILED TESTS?$/ || /^Running main/ { next }
/^Note: / || /^$/ { next }
{ shown = shown $0 "\n" }

END {
  printf "%s", skips
  if (passed + failed + skipped == 0) print "no test ran"
  printf "%d passed, %d failed", passed, failed
  if (skipped) printf ", %d skipped", skipped
  printf "\n"
  exit failed > 0 || passed + skipped == 0
}
