/* iggy_input_int.h: the Iggy input's configuration, shared by iggy_input.c (reading) and iggy_input_config.c (options
 * and what is checked about them at compile time). */
#ifndef HG_CONNECTORS_TRANSPORT_IGGY_INPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_IGGY_INPUT_INT_H

#include "connectors/transport/iggy_int.h"

typedef struct {
    hg_iggy_conn_t conn; /* first member */
    const hg_json_t *start_from, *partitions;
    bool resume_earliest, until_end;
    uint32_t batch;
    uint64_t poll_ms;
    const char *consumer;
    hg_iggy_meta_t meta;
} iin_cfg_t;

typedef enum { FROM_EARLIEST, FROM_LATEST, FROM_OFFSETS, FROM_TIMESTAMP, FROM_BAD } iin_from_t;

/* All of them: any thread. */
extern const hg_opt_t hg_iin_opts[];
/* `partitions` if they are given, else NULL: all. */
const hg_json_t *hg_iin_only(const iin_cfg_t *c);
/* ret_us: of FROM_TIMESTAMP, else HG_IGGY_NONE. */
iin_from_t hg_iin_from(const iin_cfg_t *c, uint64_t *ret_us);
/* As in hg_input_type_t. */
bool hg_iin_is_finite(const void *cfg);
bool hg_iin_wants_mark(const void *cfg);
const char *hg_iin_no_replay(const void *cfg);
void hg_iin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d);

#endif
