/* symbols.h: what this process has at an address: which file, which function. Frames, functions and files are numbered
 * as they are met, as profile formats want them. One thread; a snapshot of what is mapped when it is made. */
#ifndef HG_PROFILE_SYMBOLS_H
#define HG_PROFILE_SYMBOLS_H

#include "base/buf.h"

#define HG_NO_SYMBOL UINT32_MAX

typedef struct hg_object {
    uintptr_t start, limit; /* of what is mapped executable */
    uint64_t off;           /* of start, in the file */
    const char *path;
    char build_id[129]; /* hexadecimal; "": none */
    bool named;         /* functions have names */
    bool met;           /* by a frame */
} hg_object_t;

typedef struct hg_function {
    hg_str_t name;
    uint32_t object;
} hg_function_t;

typedef struct hg_frame {
    uintptr_t pc;
    uint32_t object, function; /* HG_NO_SYMBOL: not known */
} hg_frame_t;

typedef struct hg_symbols {
    hg_object_t *objects;
    hg_function_t *functions;
    hg_frame_t *frames;
    uint32_t n_objects, n_functions, n_frames;
    struct hg_symbols_own *own;
} hg_symbols_t;

void hg_symbols_init(hg_symbols_t *s);
void hg_symbols_release(hg_symbols_t *s);

/* The number of the frame at pc, which lies within an instruction: of a return address give the byte before. */
uint32_t hg_symbols_frame(hg_symbols_t *s, uintptr_t pc);

#endif
