/* state.h: the tables and stored views of a circuit, to disk and back.
 *
 * A cut is taken on the circuit thread between two steps, in O(number of stores): it holds a snapshot of each. Another
 * thread then writes what no earlier checkpoint has written, while the circuit goes on:
 *   - rows as pieces: rows [a, b) of one segment, without those that were dead at the cut; a piece is written once;
 *   - for pieces written before, which of their rows have died since (a bitmap, rewritten when it changed).
 * Large pieces are files of their own (seg-<checkpoint>-<n>.hgs), everything small goes into one pack-<checkpoint>.hgp.
 * Indexes are not written: they are rebuilt, in parallel, when a circuit is restored.
 *
 * The description ("stores": a JSON object, part of the manifest) names relations by SQL name, with a fingerprint of
 * their columns, and every file with its offset, length and checksum.
 */
#ifndef HG_ENGINE_STATE_H
#define HG_ENGINE_STATE_H

#include "base/json.h"
#include "engine/circuit.h"

typedef struct hg_cut hg_cut_t;

/* Circuit thread, between steps. Never fails. */
hg_cut_t *hg_circuit_cut(hg_circuit_t *c);

/* What a piece of state was written for; kept by the circuit from one checkpoint to the next. One cut at a time: the
 * next hg_circuit_cut comes after the last one's hg_cut_done. */

/* Any thread (not the circuit's). Writes the files of checkpoint `number` into dir, each fsynced (hg_dfile_finish; kill
 * points state.seg, state.pack), then dir, and the member "stores" of the manifest to w (a value: the object). cancel:
 * stop early with HG_ECANCELED. On failure the files made for this cut are removed, and the same cut may be written
 * again. A number is used once: files of its names in dir are HG_EEXIST, so what a crash left behind goes first. */
int hg_cut_write(hg_cut_t *k, const char *dir, uint64_t number, const atomic_bool *cancel, hg_jw_t *w, hg_err_t *err);

/* Circuit thread: the manifest that refers to it is durable (or not: then the pieces will be written again). Frees k.
 */
void hg_cut_done(hg_circuit_t *c, hg_cut_t *k, bool durable);

/* Figures of a written cut, for logs and stats. Any thread after hg_cut_write. */
typedef struct hg_cut_stats {
    uint64_t rows, bytes_written, files_written,
        bytes_total; /* rows: alive at the cut. bytes_total: size of the files this checkpoint refers to */
} hg_cut_stats_t;
void hg_cut_get_stats(const hg_cut_t *k, hg_cut_stats_t *ret);

/* Any thread. fn per file name that the description refers to: whoever removes old files keeps these. HG_EDAMAGED. */
int hg_state_files(const hg_json_t *stores, void (*fn)(void *arg, hg_str_t name), void *arg, hg_err_t *err);

/* Before the circuit's first step; the calling thread, with up to `threads` helpers. Reads dir, checks every checksum,
 * fills the stores and rebuilds their indexes. use(arg, relation): false leaves that relation empty (its definition
 * changed). A relation of the circuit that the description does not have stays empty; one whose fingerprint differs
 * although `use` said true is HG_EDAMAGED. origin(arg, old): the connector number that rows of a table written by
 * connector number `old` have now (UINT32_MAX: nobody's), on the calling thread; no two numbers may become the same one
 * (HG_EINVAL) but UINT32_MAX, and that one itself is not asked for. HG_EDAMAGED names the file and offset of what is
 * damaged; the circuit is then useless. */
typedef struct hg_restore_opts {
    const char *dir;
    unsigned threads;
    bool (*use)(void *arg, uint32_t relation);
    uint32_t (*origin)(void *arg, uint32_t old);
    void *arg;
} hg_restore_opts_t;
int hg_circuit_restore(hg_circuit_t *c, const hg_json_t *stores, const hg_restore_opts_t *opts, hg_err_t *err);

/* The fingerprint of a relation's stored shape: names and types of the columns in order, key, stored or not. */
uint64_t hg_relation_fingerprint(const hg_relation_t *r);

#endif
