/* fda.h: the command line client of the REST API. */
#ifndef HG_FDA_FDA_H
#define HG_FDA_FDA_H

/* The whole program: returns the exit code. */
int hg_fda_main(int argc, char **argv);

#endif
