/* kw_int.h: the words that mean something to one of our parsers. Only unquoted tokens can be keywords.
 *
 * R: reserved, never a name unless quoted.  C: a keyword only where its neighbours say so; elsewhere a name like any
 * other. Feldera un-reserves far more words than the standard does, so the R column is short on purpose. Sorted by
 * spelling: hg_sql_kw() searches by halves, and a unit test checks the order.
 */
#ifndef HG_SQLDDL_KW_INT_H
#define HG_SQLDDL_KW_INT_H

#define HG_KEYWORDS(X)                                                                                                 \
    X(AGGREGATE, "aggregate", C)                                                                                       \
    X(ALL, "all", R)                                                                                                   \
    X(AND, "and", R)                                                                                                   \
    X(ANTI, "anti", C)                                                                                                 \
    X(ANY, "any", R)                                                                                                   \
    X(APPLY, "apply", C)                                                                                               \
    X(ARRAY, "array", R)                                                                                               \
    X(AS, "as", R)                                                                                                     \
    X(ASC, "asc", C)                                                                                                   \
    X(ASOF, "asof", C)                                                                                                 \
    X(ASYMMETRIC, "asymmetric", C)                                                                                     \
    X(AT, "at", C)                                                                                                     \
    X(BETWEEN, "between", R)                                                                                           \
    X(BOTH, "both", C)                                                                                                 \
    X(BY, "by", C)                                                                                                     \
    X(CASE, "case", R)                                                                                                 \
    X(CAST, "cast", R)                                                                                                 \
    X(CEIL, "ceil", C)                                                                                                 \
    X(CEILING, "ceiling", C)                                                                                           \
    X(CHECK, "check", R)                                                                                               \
    X(COLLATE, "collate", R)                                                                                           \
    X(CONSTRAINT, "constraint", R)                                                                                     \
    X(CREATE, "create", R)                                                                                             \
    X(CROSS, "cross", R)                                                                                               \
    X(CUBE, "cube", C)                                                                                                 \
    X(CURRENT_DATE, "current_date", C)                                                                                 \
    X(CURRENT_TIME, "current_time", C)                                                                                 \
    X(CURRENT_TIMESTAMP, "current_timestamp", C)                                                                       \
    X(DATE, "date", C)                                                                                                 \
    X(DATETIME, "datetime", C)                                                                                         \
    X(DECLARE, "declare", C)                                                                                           \
    X(DEFAULT, "default", R)                                                                                           \
    X(DELETE, "delete", R)                                                                                             \
    X(DESC, "desc", C)                                                                                                 \
    X(DESCRIPTOR, "descriptor", C)                                                                                     \
    X(DISTINCT, "distinct", R)                                                                                         \
    X(DROP, "drop", R)                                                                                                 \
    X(ELSE, "else", R)                                                                                                 \
    X(END, "end", R)                                                                                                   \
    X(ESCAPE, "escape", R)                                                                                             \
    X(EXCEPT, "except", R)                                                                                             \
    X(EXCLUDE, "exclude", C)                                                                                           \
    X(EXISTS, "exists", R)                                                                                             \
    X(EXTRACT, "extract", C)                                                                                           \
    X(FALSE, "false", R)                                                                                               \
    X(FETCH, "fetch", R)                                                                                               \
    X(FILTER, "filter", C)                                                                                             \
    X(FIRST, "first", C)                                                                                               \
    X(FLOOR, "floor", C)                                                                                               \
    X(FOR, "for", R)                                                                                                   \
    X(FOREIGN, "foreign", R)                                                                                           \
    X(FROM, "from", R)                                                                                                 \
    X(FULL, "full", R)                                                                                                 \
    X(FUNCTION, "function", C)                                                                                         \
    X(GROUP, "group", R)                                                                                               \
    X(GROUPING, "grouping", C)                                                                                         \
    X(HAVING, "having", R)                                                                                             \
    X(IF, "if", C)                                                                                                     \
    X(IGNORE, "ignore", C)                                                                                             \
    X(ILIKE, "ilike", R)                                                                                               \
    X(IN, "in", R)                                                                                                     \
    X(INDEX, "index", C)                                                                                               \
    X(INNER, "inner", R)                                                                                               \
    X(INSERT, "insert", R)                                                                                             \
    X(INTERNED, "interned", C)                                                                                         \
    X(INTERSECT, "intersect", R)                                                                                       \
    X(INTERVAL, "interval", R)                                                                                         \
    X(INTO, "into", R)                                                                                                 \
    X(IS, "is", R)                                                                                                     \
    X(JOIN, "join", R)                                                                                                 \
    X(KEY, "key", C)                                                                                                   \
    X(LAST, "last", C)                                                                                                 \
    X(LATENESS, "lateness", C)                                                                                         \
    X(LATERAL, "lateral", R)                                                                                           \
    X(LEADING, "leading", C)                                                                                           \
    X(LEFT, "left", R)                                                                                                 \
    X(LIKE, "like", R)                                                                                                 \
    X(LIMIT, "limit", R)                                                                                               \
    X(LINEAR, "linear", C)                                                                                             \
    X(LOCAL, "local", C)                                                                                               \
    X(LOCALTIME, "localtime", C)                                                                                       \
    X(LOCALTIMESTAMP, "localtimestamp", C)                                                                             \
    X(MAP, "map", C)                                                                                                   \
    X(MATCH_RECOGNIZE, "match_recognize", R)                                                                           \
    X(MATERIALIZED, "materialized", C)                                                                                 \
    X(MINUS, "minus", R)                                                                                               \
    X(NATURAL, "natural", R)                                                                                           \
    X(NEXT, "next", C)                                                                                                 \
    X(NOT, "not", R)                                                                                                   \
    X(NULL, "null", R)                                                                                                 \
    X(NULLS, "nulls", C)                                                                                               \
    X(OFF, "off", C)                                                                                                   \
    X(OFFSET, "offset", R)                                                                                             \
    X(ON, "on", R)                                                                                                     \
    X(ONLY, "only", C)                                                                                                 \
    X(OR, "or", R)                                                                                                     \
    X(ORDER, "order", R)                                                                                               \
    X(ORDINALITY, "ordinality", C)                                                                                     \
    X(OUTER, "outer", R)                                                                                               \
    X(OVER, "over", C)                                                                                                 \
    X(OVERLAPS, "overlaps", C)                                                                                         \
    X(OVERLAY, "overlay", C)                                                                                           \
    X(PIVOT, "pivot", C)                                                                                               \
    X(PLACING, "placing", C)                                                                                           \
    X(POSITION, "position", C)                                                                                         \
    X(PRECISION, "precision", C)                                                                                       \
    X(PRIMARY, "primary", R)                                                                                           \
    X(QUALIFY, "qualify", R)                                                                                           \
    X(RECURSIVE, "recursive", C)                                                                                       \
    X(REFERENCES, "references", R)                                                                                     \
    X(REMOVE, "remove", C)                                                                                             \
    X(REPLACE, "replace", C)                                                                                           \
    X(RESPECT, "respect", C)                                                                                           \
    X(RETURNS, "returns", C)                                                                                           \
    X(RIGHT, "right", R)                                                                                               \
    X(RLIKE, "rlike", R)                                                                                               \
    X(ROLLUP, "rollup", C)                                                                                             \
    X(ROW, "row", C)                                                                                                   \
    X(ROWS, "rows", C)                                                                                                 \
    X(SAFE_CAST, "safe_cast", C)                                                                                       \
    X(SELECT, "select", R)                                                                                             \
    X(SEMI, "semi", C)                                                                                                 \
    X(SET, "set", C)                                                                                                   \
    X(SETS, "sets", C)                                                                                                 \
    X(SIMILAR, "similar", C)                                                                                           \
    X(SOME, "some", R)                                                                                                 \
    X(SUBSTRING, "substring", C)                                                                                       \
    X(SYMMETRIC, "symmetric", C)                                                                                       \
    X(TABLE, "table", R)                                                                                               \
    X(TABLESAMPLE, "tablesample", R)                                                                                   \
    X(THEN, "then", R)                                                                                                 \
    X(TIME, "time", C)                                                                                                 \
    X(TIMESTAMP, "timestamp", C)                                                                                       \
    X(TO, "to", R)                                                                                                     \
    X(TRAILING, "trailing", C)                                                                                         \
    X(TRIM, "trim", C)                                                                                                 \
    X(TRUE, "true", R)                                                                                                 \
    X(TRY_CAST, "try_cast", C)                                                                                         \
    X(TYPE, "type", C)                                                                                                 \
    X(UNION, "union", R)                                                                                               \
    X(UNIQUE, "unique", R)                                                                                             \
    X(UNKNOWN, "unknown", R)                                                                                           \
    X(UNPIVOT, "unpivot", C)                                                                                           \
    X(UNSIGNED, "unsigned", C)                                                                                         \
    X(UPDATE, "update", R)                                                                                             \
    X(USING, "using", R)                                                                                               \
    X(UUID, "uuid", C)                                                                                                 \
    X(VALUES, "values", R)                                                                                             \
    X(VARYING, "varying", C)                                                                                           \
    X(VIEW, "view", C)                                                                                                 \
    X(WATERMARK, "watermark", C)                                                                                       \
    X(WHEN, "when", R)                                                                                                 \
    X(WHERE, "where", R)                                                                                               \
    X(WINDOW, "window", R)                                                                                             \
    X(WITH, "with", R)                                                                                                 \
    X(WITHIN, "within", C)                                                                                             \
    X(WITHOUT, "without", C)                                                                                           \
    X(ZONE, "zone", C)

typedef enum {
    HG_KW_NONE,
#define X(name, text, class) HG_KW_##name,
    HG_KEYWORDS(X)
#undef X
        HG_KW_N
} hg_kw_t;

#endif
