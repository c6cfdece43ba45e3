/* spec.h: one configured connector, as the compiler hands it to the pipeline. Lives in the program's arena. */
#ifndef HG_CONNECTORS_SPEC_H
#define HG_CONNECTORS_SPEC_H

#include "connectors/connector.h"
#include "connectors/format.h"
#include "orchestrator/orch.h"

struct hg_chain; /* iggy/transform/transform.h */

typedef struct hg_conn_spec {
    bool is_input;
    uint32_t relation;     /* index into hg_plan_t.relations */
    hg_str_t name;         /* "hist" or "unnamed-0" */
    hg_str_t endpoint;     /* "price.hist", NUL-ended */
    hg_str_t stream;       /* relation as SQL spells it: with quotes when case-sensitive */
    hg_pos_t pos;          /* of the connector object in the program */
    const hg_json_t *json; /* the whole connector object */

    const hg_input_type_t *in_type;
    const hg_output_type_t *out_type;
    const void *transport_cfg;      /* filled struct; shared, read-only */
    const hg_format_type_t *format; /* NULL where the transport has none */
    const void *format_cfg;
    const struct hg_chain *transforms; /* of its JSON records; NULL: none */
    bool transforms_by_line;           /* a newline ends a record, whatever it is inside of */
    const char *transforms_vary;       /* the one that does not give the same twice; NULL: all do */
    const uint32_t *index_key;         /* outputs: columns of the named index, or NULL */
    uint32_t n_index_key;
    const char *index_name; /* of it; NULL: none */

    const hg_str_t *labels, *after;
    uint32_t n_labels, n_after;
    bool has_after;
    hg_pos_t after_pos;
    bool paused;
    hg_handoff_t handoff;
    bool finite;
    bool send_snapshot;
    bool soft_delete;     /* inputs: a delete becomes a row like any other, with defaults of its own */
    bool journal_payload; /* inputs: the journal gets what was read, not where it was */

    uint64_t max_batch_size;     /* 0 = unset */
    uint64_t max_queued_records; /* 1,000,000 */
    uint64_t max_queued_bytes;   /* 1000 × max_queued_records; inputs */
    bool enable_output_buffer;
    uint64_t max_output_buffer_time_millis;
    uint64_t max_output_buffer_size_records;
} hg_conn_spec_t;

#endif
