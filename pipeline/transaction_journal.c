/* transaction_journal.c: a transaction's marks in the journal, and the same once more in a replay. See transaction.h.
 *
 * A mark stands between the steps where it happened: "begin" (also where the API joins one that connectors began),
 * "leave" (the API has committed), "commit" (the step of the commit). What connectors begin and end is in the chunks
 * that the replay reads again.
 */
#include "base/hg.h"
#include "pipeline/journal.h"
#include "pipeline/transaction_int.h"

void hg_txn_journal(hg_pipeline_t *p, hg_jmark_kind_t kind, uint64_t step)
{
    hg_txn_t *t = p->txn;
    struct hg_journal *j = hg_circuit_journal(p);
    if (!j) return;
    pthread_mutex_lock(&t->mu);
    hg_jmark_t m = { .kind = kind, .id = t->id, .step = step, .api = t->api != HG_PART_NONE };
    pthread_mutex_unlock(&t->mu);
    hg_journal_mark(j, &m);
}

void hg_txn_redo_begin(hg_pipeline_t *p, uint64_t id, bool api)
{
    hg_txn_t *t = p->txn;
    if (!t->open) {
        hg_txn_set_open(t, id, api ? HG_PART_STARTED : HG_PART_NONE);
        hg_txn_begin(p);
    } else if (api) {
        hg_txn_set_api(t, HG_PART_STARTED);
    }
}

void hg_txn_redo_leave(hg_pipeline_t *p)
{
    hg_txn_set_api(p->txn, HG_PART_COMMITTED);
}

int hg_txn_redo_commit(hg_pipeline_t *p, uint64_t id, uint64_t number, hg_err_t *err)
{
    hg_txn_t *t = p->txn;
    if (!t->open)
        return hg_err_set(err, HG_EDAMAGED, "the journal commits transaction %" PRIu64 ", which it never began", id);
    t->number = number;
    hg_txn_request(p);
    return 0;
}
