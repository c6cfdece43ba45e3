/* What a catalog says about a table, which may be anything: it is refused with a sentence, or it is a table whose
 * columns, numbers and snapshots can be asked for, and whose schema Arrow's metadata can be made of. */
#include "base/hg.h"

#include "data/ipc.h"
#include "plugins/iceberg/manifest.h"
#include "plugins/iceberg/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void ask(const hgi_table_t *t)
{
    static const hg_str_t names[] = { { "headgate", 8 }, { "s", 1 }, { "t", 1 } };
    hgi_mark_t m = { .writer = names[0], .stream = names[1], .topic = names[2], .partition = 1 };
    uint64_t total;
    if (hgi_table_mark(t, &m)) HG_ASSERT(t->current);
    if (hgi_table_total(t, "total-records", &total)) HG_ASSERT(t->current || total == 0);
    HG_ASSERT(!t->current || hgi_table_has(t, t->current->id));
    for (uint32_t i = 0; i < t->n_snapshots; i++) (void)hgi_table_has(t, t->snapshots[i].parent);
    (void)hgi_table_config(t, "s3.endpoint");
}

static void write_files(const hgi_table_t *t)
{
    const hgi_data_file_t f = { .path = "s3://b/k", .rows = 1, .bytes = 2 };
    hg_buf_t out;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&out, HG_BUF_NOMAX);
    HG_ASSERT(hg_ipc_lake_schema(&out, &t->schema, t->ids, &err) == 0);
    hg_buf_clear(&out);
    HG_ASSERT(hgi_manifest(&out, t, 1, &f) == 0 && memmem(out.p, out.len, t->schema_json, strlen(t->schema_json)));
    hg_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hgi_table_t *t = NULL;
    hg_err_t err = HG_ERR_INIT;
    int rc = hgi_table_read((hg_str_t){ (const char *)p, n }, &t, &err);
    if (rc < 0) {
        HG_ASSERT(!t && err.code == rc && err.msg[0]);
        return 0;
    }
    HG_ASSERT(t->schema.n_cols && t->uuid && t->data_dir && t->metadata_dir && t->last_sequence >= 0);
    ask(t);
    write_files(t);
    hgi_table_free(t);
    return 0;
}
