/* main.c: headgate-iggy: the connectors runtime and the processes of its plugins, with the libraries that these need
 * and without those of pipelines, whose relocated pages would be resident in each of them. Started by `headgate
 * connectors` and by itself, not by hand.
 *
 *   headgate-iggy connectors [CONFIG]
 *   headgate-iggy iggy-plugin LIBRARY
 */
#include "base/hg.h"
#include "iggy/plugin/plugin.h"
#include "iggy/runtime/runtime.h"

int main(int argc, char **argv)
{
    if ((argc == 2 || argc == 3) && strcmp(argv[1], "connectors") == 0)
        return hg_rt_process(argc == 3 ? argv[2] : NULL);
    if (argc > 1 && strcmp(argv[1], "iggy-plugin") == 0) return hg_plugin_host_main(argc - 1, argv + 1);
    fprintf(stderr, "headgate-iggy: is started by 'headgate connectors --config CONFIG_PATH', not by hand\n");
    return 2;
}
