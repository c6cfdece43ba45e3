#!/usr/bin/env bash
# Writes docs/plugins/*.md, the options of each plugin, from the plugins themselves. Usage: pages.sh [folder]; HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${HG_BUILD:-$here/build/release}
out=${1:-$here/docs/plugins}
mkdir -p "$out"
rm -f "$out"/*.md
for library in "$build"/plugins/libiggy_connector_*.so; do
    name=${library##*/libiggy_connector_}
    name=${name%.so}
    {
        printf '# %s\nOptions of `plugin_config`; what the plugin does with a batch: [plugins](../iggy-plugins.md#what-there-is).\n\n' "$name"
        "$build/tests/iggy_plugin_host" "$library" --options
    } >"$out/$name.md"
done
