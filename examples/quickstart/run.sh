#!/usr/bin/env bash
# Runs the program in a temporary folder and prints the first changes of the view.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$build/headgate" run "$here/program.sql" --until-complete >run.out
head -n 3 cheap.json
wc -l <cheap.json
