#!/usr/bin/env bash
# Simulate every setting of settings/ with the command of the README; a quarter of an hour on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p observations
seed=100 # one a setting: the same seed would give all settings the same first batch
for setting in settings/*.toml; do
  seed=$((seed + 1))
  name=$(basename "$setting" .toml)
  trials=24
  test "$name" = relu-constant && trials=96 # see docs/limits.md
  test -s "observations/$name.json" || rmt-spikes simulate "$setting" --trials $trials --seed $seed --json | python3 -m json.tool --compact >"observations/$name.json.new"
  test -s "observations/$name.json" || mv "observations/$name.json.new" "observations/$name.json"
done
