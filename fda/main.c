/* main.c: the fda program. */
#include "base/hg.h"
#include "fda/fda.h"

int main(int argc, char **argv)
{
    return hg_fda_main(argc, argv);
}
