#!/usr/bin/env bash
# Runs a program with the connector of countdown_input.c. The build makes headgate_own (CMakeLists.txt here).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
headgate=$build/examples/own_connector/headgate_own
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$headgate" connectors countdown_input
"$headgate" run "$here/program.sql" --until-complete >run.out
cat call.json
