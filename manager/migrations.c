/* migrations.c: the schema of control.db as a list of steps. A step that was released is never edited: the next change
 * of the schema is a new step at the end. PRAGMA user_version holds how many have been applied. */
#include "base/hg.h"

#include "manager/store_int.h"

/* What changes with every poll or status (pipeline_state) stands apart from long texts: SQLite rewrites whole rows. */
static const char first[] =
    "CREATE TABLE pipeline("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, tags TEXT NOT NULL,"
    " created_us INTEGER NOT NULL, platform_version TEXT NOT NULL, version INTEGER NOT NULL, program_version INTEGER "
    "NOT NULL,"
    " program_code TEXT NOT NULL, udf_rust TEXT NOT NULL, udf_toml TEXT NOT NULL,"
    " runtime_config TEXT NOT NULL, program_config TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE program_result("
    " pipeline TEXT PRIMARY KEY REFERENCES pipeline(id) ON DELETE CASCADE,"
    " program_info TEXT, sql_compilation TEXT, rust_compilation TEXT, system_error TEXT) WITHOUT ROWID;"
    "CREATE TABLE pipeline_state("
    " pipeline TEXT PRIMARY KEY REFERENCES pipeline(id) ON DELETE CASCADE,"
    " refresh_version INTEGER NOT NULL, program_status TEXT NOT NULL, program_since_us INTEGER NOT NULL,"
    " deployment_error TEXT, storage_status TEXT NOT NULL, storage_details TEXT,"
    " deployment_id TEXT, initial TEXT, bootstrap_policy TEXT, silent INTEGER NOT NULL, concurrent INTEGER NOT NULL,"
    " res TEXT NOT NULL, res_since_us INTEGER NOT NULL, res_desired TEXT NOT NULL, res_desired_since_us INTEGER NOT "
    "NULL,"
    " rt TEXT, rt_since_us INTEGER NOT NULL, rt_desired TEXT, rt_desired_since_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE event("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " pipeline TEXT NOT NULL REFERENCES pipeline(id) ON DELETE CASCADE, recorded_us INTEGER NOT NULL,"
    " res TEXT NOT NULL, res_desired TEXT NOT NULL, rt TEXT, rt_desired TEXT, program_status TEXT NOT NULL,"
    " storage_status TEXT NOT NULL, rt_details TEXT, deployment_error TEXT, storage_details TEXT);"
    "CREATE INDEX event_by_pipeline ON event(pipeline, seq);"
    "CREATE TABLE api_key("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE) WITHOUT ROWID;";

/* Deaths and restarts of the processes of a deployment. */
static const char restarts[] = "ALTER TABLE pipeline_state ADD COLUMN restarts TEXT;"
                               "ALTER TABLE event ADD COLUMN res_details TEXT;";

/* What git has to do with a pipeline: a mark of git_int.h, JSON. */
static const char git[] = "ALTER TABLE pipeline_state ADD COLUMN git TEXT;";

const char *const hg_migrations[] = { first, restarts, git };
const int hg_schema_version = (int)HG_COUNT(hg_migrations);
