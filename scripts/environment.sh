# shellcheck shell=sh
# For scripts that test or measure: what the caller's shell has set must not change the outcome. All of truefin's
# variables go, so that no list of them is needed here; those for the tests themselves stay.
unset LD_PRELOAD
for variable in $(env | sed -nE '/^TRUEFIN_TEST_/d; s/^(TRUEFIN_[A-Z_]+)=.*/\1/p'); do
    unset "$variable"
done
unset variable
