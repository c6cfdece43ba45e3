/* append.c: see append.h. */
#include "base/hg.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugins/iceberg_sink/append.h"
#include "plugins/sdk/sink.h"

#define PAD ((size_t)64) /* the scanner looks that far past the end */

target_t *target_new(hg_arena_t *a, const table_name_t *name)
{
    target_t *t = HG_NEW(target_t);
    t->arena = a;
    t->name = *name;
    pthread_mutex_init(&t->mutex, NULL);
    hgi_entries_init(&t->entries);
    return t;
}

static void forget(target_t *t)
{
    hgi_rows_free(t->rows);
    hgi_table_free(t->table);
    t->rows = NULL;
    t->table = NULL;
}

void target_free(target_t *t)
{
    forget(t);
    hg_s3_creds_release(&t->store.creds);
    hgi_entries_release(&t->entries);
    hg_free(t->entries_of);
    hg_free(t->endpoint);
    hg_free(t->region);
    pthread_mutex_destroy(&t->mutex);
    hg_arena_free(t->arena);
    hg_free(t);
}

/* --- the table as the catalog has it ------------------------------------------------------------------------------ */

/* Who says where files go: the catalog's overrides, the table's own configuration, the user, the catalog's defaults. */
static const char *setting(const lake_t *l, const hgi_table_t *t, const char *key, const char *users)
{
    const char *s = catalog_says(&l->catalog, key, true);
    if (!s) s = hgi_table_config(t, key);
    if (!s) s = users;
    return s ? s : catalog_says(&l->catalog, key, false);
}

static char *copy_of(const char *s)
{
    return s ? hg_xstrdup(s) : NULL;
}

/* From the answer to a load. Credentials that the catalog lends go before the user's; they grow old, so that such a
 * table is loaded for every batch. */
static int set_store(hgp_instance_t *i, const lake_t *l, target_t *t, hg_err_t *err)
{
    const hgi_table_t *m = t->table;
    store_t *s = &t->store;
    hg_s3_creds_release(&s->creds);
    *s = l->store;
    s->creds = (hg_s3_creds_t){ .id = NULL };
    t->renew_s = 0;
    if (s->files) return store_fits(s, m->data_dir, err);
    const char *region = setting(l, m, "s3.region", l->region);
    if (!region) region = setting(l, m, "client.region", NULL);
    hg_free(t->endpoint);
    hg_free(t->region);
    s->endpoint = t->endpoint = copy_of(setting(l, m, "s3.endpoint", l->endpoint));
    s->region = t->region = copy_of(region ? region : "us-east-1");
    const char *id = setting(l, m, "s3.access-key-id", NULL), *secret = setting(l, m, "s3.secret-access-key", NULL);
    t->lent = id && secret;
    s->creds.id = copy_of(t->lent ? id : l->store.creds.id);
    s->creds.secret = copy_of(t->lent ? secret : l->store.creds.secret);
    s->creds.token = copy_of(t->lent ? setting(l, m, "s3.session-token", NULL) : l->store.creds.token);
    int rc = store_fits(s, m->data_dir, err);
    if (rc < 0 || s->creds.id) return rc;
    const hg_s3_ask_t ask = { .region = s->region, .ca_file = s->ca_file, .cancelled = hgp_cancelled, .cancel_arg = i };
    rc = hg_s3_creds_find(&ask, &s->creds, err);
    if (rc == 0) t->renew_s = hg_s3_creds_renew_at(&s->creds, (int64_t)time(NULL));
    return rc;
}

/* The table is this one from now on. */
static int adopt(target_t *t, hgi_table_t *table, hg_err_t *err)
{
    forget(t);
    t->table = table;
    int rc = hgi_rows_new(table, &t->rows, err);
    t->stale = rc < 0;
    return rc < 0 ? hg_err_wrap(err, "table '%s'", t->name.text) : 0;
}

static int load(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, hg_err_t *err)
{
    hgi_table_t *table = NULL;
    bool first = !t->table;
    int rc = catalog_load(i, &h->http, &l->catalog, &t->name, &table, err);
    if (rc < 0) return rc;
    if (first && table->left_out)
        hgp_log(IGGY_LOG_WARN, "table '%s': columns of types that cannot be written stay null: %s", t->name.text,
                table->left_out);
    rc = adopt(t, table, err);
    if (rc == 0) rc = set_store(i, l, t, err);
    t->stale = rc < 0;
    return rc;
}

int target_load(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, hg_err_t *err)
{
    pthread_mutex_lock(&t->mutex);
    int rc = t->table && !t->stale ? 0 : load(i, h, l, t, err);
    pthread_mutex_unlock(&t->mutex);
    return rc;
}

/* --- a commit ------------------------------------------------------------------------------------------------------
 */

typedef struct commit_state {
    hgp_instance_t *i;
    hand_t *h;
    const lake_t *l;
    target_t *t;
    int64_t snapshot_id;
    hgi_mark_t mark; /* what the table has with it */
    hgi_manifest_t manifest;
    uint64_t file_bytes;
    hg_arena_t *a;
} commit_state_t;

static void summary_number(hg_jw_t *w, const char *key, uint64_t v)
{
    char t[24];
    snprintf(t, sizeof t, "%" PRIu64, v);
    hg_jw_kstr(w, key, t);
}

static void summary_total(hg_jw_t *w, const hgi_table_t *t, const char *key, uint64_t more)
{
    uint64_t v;
    if (hgi_table_total(t, key, &v)) summary_number(w, key, v + more);
}

static void summary_text(hg_jw_t *w, const char *key, hg_str_t v)
{
    hg_jw_key(w, key);
    hg_jw_str(w, v);
}

static void put_summary(hg_jw_t *w, const commit_state_t *c)
{
    const hgi_table_t *t = c->t->table;
    hg_jw_key(w, "summary");
    hg_jw_obj(w);
    hg_jw_kstr(w, "operation", "append");
    summary_number(w, "added-data-files", 1);
    summary_number(w, "added-records", c->manifest.rows);
    summary_number(w, "added-files-size", c->file_bytes);
    summary_number(w, "changed-partition-count", 1);
    summary_total(w, t, "total-data-files", 1);
    summary_total(w, t, "total-records", c->manifest.rows);
    summary_total(w, t, "total-files-size", c->file_bytes);
    summary_total(w, t, "total-delete-files", 0);
    summary_total(w, t, "total-position-deletes", 0);
    summary_total(w, t, "total-equality-deletes", 0);
    summary_text(w, "headgate.writer", c->mark.writer);
    summary_text(w, "headgate.stream", c->mark.stream);
    summary_text(w, "headgate.topic", c->mark.topic);
    summary_number(w, "headgate.partition", c->mark.partition);
    summary_number(w, "headgate.offset", c->mark.offset);
    summary_number(w, "headgate.timestamp", c->mark.timestamp);
    hg_jw_end_obj(w);
}

static void put_requirements(hg_jw_t *w, const hgi_table_t *t)
{
    hg_jw_key(w, "requirements");
    hg_jw_arr(w);
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", "assert-table-uuid");
    hg_jw_kstr(w, "uuid", t->uuid);
    hg_jw_end_obj(w);
    hg_jw_obj(w);
    hg_jw_kstr(w, "type", "assert-ref-snapshot-id");
    hg_jw_kstr(w, "ref", "main");
    if (t->current)
        hg_jw_ki64(w, "snapshot-id", t->current->id);
    else
        hg_jw_knull(w, "snapshot-id");
    hg_jw_end_obj(w);
    hg_jw_end_arr(w);
}

static void put_updates(hg_jw_t *w, const commit_state_t *c, const char *list)
{
    const hgi_table_t *t = c->t->table;
    hg_jw_key(w, "updates");
    hg_jw_arr(w);
    hg_jw_obj(w);
    hg_jw_kstr(w, "action", "add-snapshot");
    hg_jw_key(w, "snapshot");
    hg_jw_obj(w);
    hg_jw_ki64(w, "snapshot-id", c->snapshot_id);
    if (t->current) hg_jw_ki64(w, "parent-snapshot-id", t->current->id);
    hg_jw_ki64(w, "sequence-number", c->manifest.sequence);
    hg_jw_ki64(w, "timestamp-ms", HG_MAX(hg_now_us() / 1000, t->last_updated_ms));
    hg_jw_kstr(w, "manifest-list", list);
    hg_jw_ki64(w, "schema-id", t->schema_id);
    put_summary(w, c);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
    hg_jw_obj(w);
    hg_jw_kstr(w, "action", "set-snapshot-ref");
    hg_jw_kstr(w, "ref-name", "main");
    hg_jw_kstr(w, "type", "branch");
    hg_jw_ki64(w, "snapshot-id", c->snapshot_id);
    hg_jw_end_obj(w);
    hg_jw_end_arr(w);
}

static int put_body(hg_buf_t *out, const commit_state_t *c, const char *list)
{
    const table_name_t *name = &c->t->name;
    hg_jw_t w;
    hg_buf_clear(out);
    hg_jw_init(&w, out);
    hg_jw_obj(&w);
    hg_jw_key(&w, "identifier");
    hg_jw_obj(&w);
    hg_jw_key(&w, "namespace");
    hg_jw_arr(&w);
    for (uint32_t k = 0; k < name->n; k++) hg_jw_strz(&w, name->namespaces[k]);
    hg_jw_end_arr(&w);
    hg_jw_kstr(&w, "name", name->name);
    hg_jw_end_obj(&w);
    put_requirements(&w, c->t->table);
    put_updates(&w, c, list);
    hg_jw_end_obj(&w);
    return w.rc;
}

static int no_memory(hg_err_t *err, int rc)
{
    return hg_err_retry(err, (hg_code_t)rc, "no memory for a snapshot");
}

static int put(const commit_state_t *c, const char *path, const hg_buf_t *bytes, hg_err_t *err)
{
    return store_put(c->i, &c->h->http, &c->t->store, path, hg_buf_str(bytes), err);
}

/* What the current snapshot has: asked for once, then kept along with what we add. */
static int know_entries(const commit_state_t *c, hg_err_t *err)
{
    target_t *t = c->t;
    const char *list = t->table->manifest_list;
    if (t->entries_of && list && strcmp(t->entries_of, list) == 0) return 0;
    hg_free(t->entries_of);
    t->entries_of = NULL;
    hgi_entries_clear(&t->entries);
    if (!list) return 0;
    hg_buf_clear(&c->h->file);
    int rc = store_get(c->i, &c->h->http, &t->store, list, &c->h->file, err);
    if (rc == 0) rc = hgi_entries_read(&t->entries, hg_buf_str(&c->h->file), err);
    if (rc < 0) return hg_err_wrap(err, "table '%s', %s", t->name.text, list);
    t->entries_of = hg_xstrdup(list);
    return 0;
}

static int put_manifest(commit_state_t *c, const hgi_data_file_t *f, hg_err_t *err)
{
    hg_buf_t *out = &c->h->file;
    const hgi_table_t *t = c->t->table;
    hg_buf_clear(out);
    int rc = hgi_manifest(out, t, c->snapshot_id, f);
    if (rc < 0) return no_memory(err, rc);
    c->manifest = (hgi_manifest_t){
        .path = hg_arena_printf(c->a, "%s/%016" PRIx64 "-m0.avro", t->metadata_dir, (uint64_t)c->snapshot_id),
        .bytes = out->len,
        .rows = f->rows,
        .spec_id = t->spec_id,
        .snapshot_id = c->snapshot_id,
    };
    return put(c, c->manifest.path, out, err);
}

/* One attempt on the table as it is known. */
static commit_t try_commit(commit_state_t *c, uint32_t attempt, hg_err_t *err)
{
    target_t *t = c->t;
    hgi_table_t *table = NULL;
    int rc = know_entries(c, err);
    if (rc < 0) return COMMIT_REFUSED;
    const size_t len = t->entries.bytes.len;
    const uint64_t n = t->entries.n;
    const char *list = hg_arena_printf(c->a, "%s/snap-%" PRId64 "-%" PRIu32 "-%016" PRIx64 ".avro",
                                       t->table->metadata_dir, c->snapshot_id, attempt, (uint64_t)c->snapshot_id);
    c->manifest.sequence = t->table->last_sequence + 1;
    hg_buf_clear(&c->h->file);
    rc = hgi_entries_add(&t->entries, &c->manifest);
    if (rc == 0)
        rc = hgi_manifest_list(&c->h->file, &t->entries, c->snapshot_id, t->table->current ? t->table->current->id : -1,
                               c->manifest.sequence);
    if (rc == 0) rc = put_body(&c->h->text, c, list);
    commit_t done = COMMIT_REFUSED;
    if (rc < 0) no_memory(err, rc);
    if (rc == 0) rc = put(c, list, &c->h->file, err);
    if (rc == 0) {
        hg_kill_point("iceberg.listed");
        done = catalog_commit(c->i, &c->h->http, &c->l->catalog, &t->name, hg_buf_str(&c->h->text), &table, err);
        hg_kill_point("iceberg.committed");
    }
    if (done != COMMIT_DONE) {
        t->entries.bytes.len = len;
        t->entries.n = n;
        return done;
    }
    hg_free(t->entries_of);
    t->entries_of = hg_xstrdup(list);
    t->stale = true; /* until it is known as it is now */
    hg_err_t later = HG_ERR_INIT;
    if (table && adopt(t, table, &later) == 0) t->stale = t->lent;
    return COMMIT_DONE;
}

/* Other messages of the same topic came into the table meanwhile, under our name. */
static int overtaken(const commit_state_t *c, const hgi_mark_t *before, bool had, hg_err_t *err)
{
    hgi_mark_t now = *before;
    bool has = hgi_table_mark(c->t->table, &now);
    if (has == had && (!has || (now.offset == before->offset && now.timestamp == before->timestamp))) return 0;
    return hg_err_retry(err, HG_EAGAIN,
                        "another sink has written this topic into table '%s', as writer '" HG_SF
                        "' up to offset %" PRIu64,
                        c->t->name.text, HG_SA(before->writer), now.offset);
}

/* before: what of the topic was in the table, if `had`. */
static int commit(commit_state_t *c, const hgi_mark_t *before, bool had, hg_err_t *err)
{
    for (uint32_t attempt = 1;; attempt++) {
        *err = HG_ERR_INIT;
        commit_t done = try_commit(c, attempt, err);
        if (done == COMMIT_DONE) return 0;
        int rc = err->code;
        c->t->stale = true;
        if (done == COMMIT_REFUSED || !hgp_try_again(c->i, &c->l->catalog.patience, attempt, c->h->http.asked_ms, err))
            return rc;
        rc = load(c->i, c->h, c->l, c->t, err);
        if (rc < 0) return rc;
        if (hgi_table_has(c->t->table, c->snapshot_id)) return 0; /* the answer was lost, the commit was not */
        rc = overtaken(c, before, had, err);
        if (rc < 0) return rc;
    }
}

/* --- a batch -------------------------------------------------------------------------------------------------------
 */

/* Those of the route that are not in the table: to the chunk. *skipped: that are. */
static int pick(hand_t *h, const hgp_batch_t *b, uint32_t route, const hgi_mark_t *in_table, uint32_t *skipped)
{
    int rc = 0;
    hg_buf_clear(&h->chunk);
    h->n_chunk = 0;
    *skipped = 0;
    for (uint32_t k = 0, from = 0; rc == 0 && k < h->n; from = h->ends[k++]) {
        const hg_pc_raw_view_t *m = &b->v[h->whose[k]];
        if (route != UINT32_MAX && h->route[k] != route) continue;
        if (in_table && m->m.offset <= in_table->offset && m->m.timestamp <= in_table->timestamp) {
            ++*skipped;
            continue;
        }
        rc = hg_buf_add(&h->chunk, h->lines.p + from, h->ends[k] - from);
        if (rc == 0) rc = hg_buf_addc(&h->chunk, '\n');
        h->chunk_ends[h->n_chunk] = (uint32_t)h->chunk.len;
        h->chunk_whose[h->n_chunk++] = h->whose[k];
    }
    if (rc == 0) rc = hg_buf_reserve(&h->chunk, PAD);
    if (rc == 0) memset(h->chunk.p + h->chunk.len, 0, PAD);
    return rc;
}

typedef struct telling {
    hand_t *h;
    const hgp_batch_t *b;
    const char *table;
} telling_t;

static void tell_bad(void *arg, uint64_t at, const char *why)
{
    const telling_t *to = arg;
    hand_t *h = to->h;
    uint32_t low = 0, high = h->n_chunk - 1; /* the line whose end is the first behind the byte */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (h->chunk_ends[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    hgp_reject(to->b, h->chunk_whose[low], &h->rejected, "table '%s': %s", to->table, why);
}

static int write_rows(commit_state_t *c, const hgp_batch_t *b, const hg_batch_t *rows, hg_err_t *err)
{
    hg_buf_t *file = &c->h->file;
    const hgi_table_t *t = c->t->table;
    hg_random(&c->snapshot_id, sizeof c->snapshot_id);
    c->snapshot_id = (c->snapshot_id & INT64_MAX) | 1;
    hg_buf_clear(file);
    int rc = hgi_rows_file(c->t->rows, rows, file, err);
    if (rc < 0) return rc;
    const hgi_data_file_t f = {
        .path =
            hg_arena_printf(c->a, "%s/%05" PRIu32 "-%020" PRIu64 "-%020" PRIu64 "-%016" PRIx64 ".parquet", t->data_dir,
                            b->partition, b->v[0].m.offset, b->v[b->n - 1].m.offset, (uint64_t)c->snapshot_id),
        .rows = rows->n_rows,
        .bytes = file->len,
        .stats = hgi_stats(c->a, t, rows),
        .n_stats = rows->n_cols,
    };
    c->file_bytes = f.bytes;
    rc = put(c, f.path, file, err);
    if (rc < 0) return rc;
    hg_kill_point("iceberg.written");
    return put_manifest(c, &f, err);
}

static int append(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, const hgp_batch_t *b, uint32_t route,
                  hg_err_t *err)
{
    hgi_mark_t before = {
        .writer = hg_strz(l->writer), .stream = b->stream, .topic = b->topic, .partition = b->partition
    };
    uint32_t skipped;
    hg_batch_t *rows = NULL;
    telling_t to = { h, b, t->name.text };
    if (t->renew_s && (int64_t)time(NULL) >= t->renew_s) t->stale = true;
    int rc = t->table && !t->stale ? 0 : load(i, h, l, t, err);
    if (rc < 0) return rc;
    bool had = hgi_table_mark(t->table, &before);
    if (pick(h, b, route, had ? &before : NULL, &skipped) < 0)
        return hg_err_retry(err, HG_ENOMEM, "no memory for a batch");
    if (skipped)
        hgp_log(IGGY_LOG_INFO, "%" PRIu32 " messages up to offset %" PRIu64 " are in table '%s' already", skipped,
                before.offset, t->name.text);
    if (!h->n_chunk) return 0;
    rc = hgi_rows_parse(t->rows, hg_buf_str(&h->chunk), tell_bad, &to, &rows, err);
    if (rc < 0 || !rows) return rc;
    commit_state_t c = { .i = i, .h = h, .l = l, .t = t, .mark = before, .a = hg_arena_new() };
    c.mark.offset = b->v[b->n - 1].m.offset;
    for (uint32_t k = 0; k < b->n; k++) c.mark.timestamp = HG_MAX(c.mark.timestamp, b->v[k].m.timestamp);
    rc = write_rows(&c, b, rows, err);
    hg_batch_drop(rows); /* before the table whose types they have */
    if (rc == 0) rc = commit(&c, &before, had, err);
    hg_arena_free(c.a);
    return rc;
}

int target_append(hgp_instance_t *i, hand_t *h, const lake_t *l, target_t *t, const hgp_batch_t *b, uint32_t route,
                  hg_err_t *err)
{
    pthread_mutex_lock(&t->mutex);
    int rc = append(i, h, l, t, b, route, err);
    pthread_mutex_unlock(&t->mutex);
    return rc;
}
