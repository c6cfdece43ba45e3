/* The connectors property: every complaint at its place inside the string literal. */
#include "base/hg.h"
#include "tests/unit/compile/fake_registry.h"
#include "tests/unit/compile/kit.h"

static const kit_case_t connectors[] = {
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:67-67 Unnamed connector: Connector nr. 1 for table 't' does not have a name. Please give every connector a "
      "name: it is what its state is kept under\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:66-66 Compilation error: 'connectors' is not legal JSON: expected a JSON value, found the end\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:65-66 Compilation error: 'connectors' is not legal JSON: expected a JSON value, found the end\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '{}');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:66-66 Compilation error: Expected an array value for 'connectors'\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[{\"name\":\"it''s\", ]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:84-84 Compilation error: 'connectors' is not legal JSON: expected a member name in quotes\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[1]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:67-67 ConnectorGenerationError: relation 't': connector nr. 1 must be a JSON object, not a number\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":5,\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:75-75 Compilation error: Expected a string value for the connector \"name\" property\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 2:10-12 Compilation error: Two connectors for the same table 't' cannot have the same name: 'a'\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[{\"name\":\"a "
      "b\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:75-79 ConnectorGenerationError: relation 't': connector name 'a b' is not valid: it must have 1 to 100 "
      "characters, each one of A-Z a-z 0-9 _ -\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"unnamed-1\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 2:2-2 Unnamed connector: Connector nr. 2 for table 't' does not have a name. Please give every connector a "
      "name: it is what its state is kept under\n"
      "E 2:2-2 ConnectorGenerationError: relation 't': encountered collision when using {relation}.{connector_name} as "
      "unique name: 't.unnamed-1' is not unique\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:67-67 ConnectorGenerationError: relation 't': connector 'a': missing field `transport`\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":5,\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:91-91 ConnectorGenerationError: relation 't': connector 'a': \"transport\" must be a JSON object\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:91-91 ConnectorGenerationError: relation 't': connector 'a': \"transport\" must have a \"name\" field\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":5},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-99 ConnectorGenerationError: relation 't': connector 'a': \"transport.name\" must be a string\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":[]},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:120-120 ConnectorGenerationError: relation 't': connector 'a': \"transport.config\" must be a JSON "
      "object\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\"},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:91-91 ConnectorGenerationError: relation 't': connector 'a': missing field `path`: URL.\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"urlinput\",\"config\":{}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-108 ConnectorGenerationError: relation 't': connector 'a': unknown transport 'urlinput'; did you mean "
      "'url_input'?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"s3_input\",\"config\":{}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-108 ConnectorGenerationError: relation 't': connector 'a': transport 's3_input' is not available in this "
      "version of headgate\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"http_input\",\"config\":{}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-110 ConnectorGenerationError: relation 't': connector 'a': transport 'http_input' is made by the engine "
      "and cannot be used in SQL\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"file_output\",\"config\":{\"path\":\"x\"}},\"format\":{\"name\":"
      "\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-111 ConnectorGenerationError: relation 't': expected an input variant but got an output variant for "
      "connector 'a'\n"
      "  note 'file_output' is an output transport; tables take input connectors\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE VIEW v WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]') AS SELECT * FROM t;",
      "E 2:70-80 ConnectorGenerationError: relation 'v': expected an output variant but got an input variant for "
      "connector 'a'\n"
      "  note 'url_input' is an input transport; views take output connectors\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"pth\":\"x\",\"path\":\"y\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:121-125 Invalid configuration: relation 't': connector 'a': unknown field \"pth\"; did you mean "
      "\"path\"?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"file_input\",\"config\":{\"path\":\"x\",\"follow\":\"yes\"}},"
      "\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:142-146 ConnectorGenerationError: relation 't': connector 'a': option 'follow': expected true or false, "
      "found a string\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"x\",\"start_from\":\"lately\","
      "\"group.id\":\"q\",\"fetch.min.bytes\":1}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:148-155 ConnectorGenerationError: relation 't': connector 'a': option 'start_from': invalid value 'lately'; "
      "valid values are: latest|earliest\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"datagen\",\"config\":{\"limits\":5}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:119-126 ConnectorGenerationError: relation 't': connector 'a': unknown field \"limits\"; did you mean "
      "\"limit\"?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"datagen\",\"config\":{\"limit\":13}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:127-128 ConnectorGenerationError: relation 't': connector 'a': 13 rows are never enough\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"datagen\"},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:110-117 ConnectorGenerationError: relation 't': connector 'a': datagen transport does not allow 'format' "
      "specification\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"datagen\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/x\"}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:75-77 ConnectorGenerationError: Data format is not specified for input endpoint 't.a' (set the 'format' "
      "field inside connector configuration)\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":\"json\"}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:152-157 ConnectorGenerationError: relation 't': connector 'a': \"format\" must be a JSON object\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"jsno\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:160-165 Unknown format: relation 't': connector 'a': unknown input format 'jsno'; did you mean 'json'?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"avro\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:160-165 Unknown format: relation 't': connector 'a': unknown input format 'avro'\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\",\"config\":{\"update_format\":\"rwa\",\"aray\":true}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:193-197 ConnectorGenerationError: relation 't': connector 'a': option 'update_format': invalid value 'rwa'; "
      "valid values are: insert_delete|raw|debezium\n"
      "W 1:199-204 Invalid configuration: relation 't': connector 'a': unknown field \"aray\"; did you mean "
      "\"array\"?\n" },
    { "CREATE TABLE t(x INT) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\",\"config\":{\"update_format\":\"debezium\"}}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:155-155 ConnectorGenerationError: relation 't': connector 'a': debezium needs a PRIMARY KEY\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE VIEW v WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"file_output\",\"config\":{\"path\":\"y\"}},\"format\":{\"name\":"
      "\"json\",\"config\":{\"update_format\":\"debezium\"}}}]') AS SELECT * FROM t;",
      "E 2:140-140 ConnectorGenerationError: relation 'v': connector 'a': debezium needs a transport with messages\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE VIEW v WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"file_output\",\"config\":{\"path\":\"y\"}},\"format\":{\"name\":"
      "\"raw\"}}]') AS SELECT * FROM t;",
      "E 2:124-128 Unknown format: relation 'v': connector 'a': 'raw' is not an output format\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE VIEW v WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"null_output\"}},{\"name\":\"b\",\"transport\":{\"name\":\"null_"
      "output\"},\"format\":{\"name\":\"json\"}}]') AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"},\"max_queued_record\":5,\"paused\":\"yes\",\"max_queued_records\":0}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:168-186 Invalid configuration: relation 't': connector 'a': unknown field \"max_queued_record\"; did you "
      "mean \"max_queued_records\"?\n"
      "E 1:199-203 ConnectorGenerationError: relation 't': connector 'a': option 'paused': expected true or false, "
      "found a string\n"
      "E 1:226-226 ConnectorGenerationError: relation 't': connector 'a': option 'max_queued_records': 0 is not a "
      "whole number from 1 to 18446744073709551615\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"label\":[\"x\"],\"labels\":\"y\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":"
      "\"http://h/x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:79-85 Invalid configuration: relation 't': connector 'a': 'label' is an old spelling; please write "
      "'labels'\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":5,\"start_after\":{},\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":"
      "\"http://h/x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:88-88 ConnectorGenerationError: relation 't': connector 'a': invalid 'labels' property: expected a string, "
      "an array of strings, or null\n"
      "E 1:104-104 ConnectorGenerationError: relation 't': connector 'a': invalid 'start_after' property: expected a "
      "string, an array of strings, or null\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[{\"name\":\"a\",\"start_after\":[\"x\", "
      "5],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:99-99 ConnectorGenerationError: relation 't': connector 'a': invalid 'start_after' property: expected a "
      "string, an array of strings, or null\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"start_after\":[],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:93-93 ConnectorGenerationError: empty 'start_after' field for input endpoint 't.a'\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"hist\",\"labels\":[\"price.backfill\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":"
      "\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"live\",\"start_after\":[\"price.backfil\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{"
      "\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 2:32-46 ConnectorGenerationError: start_after label 'price.backfil' is carried by no connector; did you mean "
      "'price.backfill'?\n"
      "  note 'price.backfill' is carried by t.hist (line 1, column 75)\n" },
    { "SET HEADGATE_UNKNOWN_LABEL = 'warn';CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"hist\",\"labels\":[\"price.backfill\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":"
      "\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"live\",\"start_after\":[\"price.backfil\", \"price.backfill\", "
      "\"zz\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},"
      "\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 2:32-46 Invalid configuration: start_after label 'price.backfil' is carried by no connector; did you mean "
      "'price.backfill'?\n"
      "  note 'price.backfill' is carried by t.hist (line 1, column 111)\n"
      "W 2:67-70 Invalid configuration: start_after label 'zz' is carried by no connector\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":[\"h1\"],\"start_after\":\"h2\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"b\",\"labels\":[\"h2\"],\"start_after\":\"h1\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:109-112 ConnectorGenerationError: these connectors wait for each other and none can ever start\n"
      "   t.a (label 'h1')  waits for 'h2'  carried by  t.b   line 2, column 10\n"
      "   t.b (label 'h2')  waits for 'h1'  carried by  t.a   line 1, column 75\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":[\"h1\"],\"start_after\":\"h1\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"http://h/x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:109-112 ConnectorGenerationError: this connector waits for itself and can never start\n"
      "   t.a (label 'h1')  waits for 'h1'  carried by  t.a   line 1, column 75\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":[\"h1\"],\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\","
      "\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}},\n"
      " {\"name\":\"b\",\"start_after\":\"h1\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 2:28-31 Invalid configuration: start_after label 'h1' is carried by 't.a', which never reaches its end of "
      "input: 't.b' will wait until it is started by hand\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"labels\":[\"x\"],\"nmae\":1,\"config\":{\"path\":"
      "\"y\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:111-118 Invalid configuration: relation 't': connector 'a': 'labels' belongs beside \"transport\", not in "
      "it; it is ignored here\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"nmae\":1,\"config\":{\"path\":\"y\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:111-116 Invalid configuration: relation 't': connector 'a': unknown field \"nmae\"; did you mean "
      "\"name\"?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"h\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"l\",\"start_after\":\"b\",\"handoff\":\"gapless\","
      "\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT) WITH ('connectors' = "
      "'[{\"name\":\"h\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"l\",\"start_after\":\"b\",\"handoff\":\"gapless\","
      "\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:203-211 ConnectorGenerationError: relation 't': connector 'l': table 't' has no PRIMARY KEY: changes made "
      "while the backfill runs would arrive twice and stay twice. Declare a PRIMARY KEY, or accept repeated records "
      "with \"handoff\": \"overlap\"\n" },
    { "CREATE TABLE t(x INT) WITH ('connectors' = "
      "'[{\"name\":\"h\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"l\",\"start_after\":\"b\",\"handoff\":\"overlap\","
      "\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"h\",\"labels\":[\"b\"],\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"l\",\"start_after\":\"b\",\"handoff\":\"gapless\","
      "\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:214-222 ConnectorGenerationError: relation 't': connector 'l': transport 'url_input' cannot mark its "
      "position, so it cannot take over without a gap; transports that can: file_input, kafka_input\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"handoff\":\"gapless\",\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\","
      "\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:79-87 ConnectorGenerationError: relation 't': connector 'l': 'handoff' needs 'start_after': it says how "
      "this connector takes over from those it waits for\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"handoff\":\"smooth\",\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\","
      "\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:89-96 ConnectorGenerationError: relation 't': connector 'l': invalid 'handoff' property: expected "
      "\"gapless\" or \"overlap\"\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"soft_delete\":true,\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\","
      "\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:79-91 ConnectorGenerationError: relation 't': connector 'l': 'soft_delete' is not allowed on a table with a "
      "PRIMARY KEY\n" },
    { "CREATE TABLE t(x INT) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"soft_delete\":true,\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\","
      "\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"preprocessor\":[{\"name\":\"x\"}],\"transport\":{\"name\":\"kafka_input\",\"config\":{"
      "\"topic\":\"p\",\"start_from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:79-92 Not supported: relation 't': connector 'l': a preprocessor is a Rust plug-in, which headgate cannot "
      "run\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"l\",\"index\":\"i\",\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"start_"
      "from\":\"earliest\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:79-85 Invalid configuration: relation 't': connector 'l': 'index' has no effect on an input connector\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE VIEW v WITH ('connectors' = "
      "'[{\"name\":\"a\",\"labels\":[\"x\"],\"transport\":{\"name\":\"null_output\"},\"index\":\"nope\",\"send_"
      "snapshot\":true}]') AS SELECT * FROM t;",
      "W 2:50-57 Invalid configuration: relation 'v': connector 'a': 'labels' has no effect on an output connector\n"
      "E 2:108-113 ConnectorGenerationError: relation 'v': connector 'a': view 'v' has no index named 'nope' (CREATE "
      "INDEX)\n"
      "E 2:115-129 ConnectorGenerationError: relation 'v': connector 'a': 'send_snapshot: true' requires a "
      "materialized output view\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY);\n"
      "CREATE LOCAL VIEW v WITH ('connectors' = '[{\"name\":\"a\",\"transport\":{\"name\":\"null_output\"}}]') AS "
      "SELECT * FROM t;",
      "W 2:42-92 Invalid connector: Connectors on the LOCAL view 'v' have no effect: it has no output\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[{\"name\":\"a\",\"bad\":\"it''s "
      "é😀\",\"worse\":1,\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}},\n"
      "{\"nme\":\"''\",\"name\":\"b\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 1:79-83 Invalid configuration: relation 't': connector 'a': unknown field \"bad\"\n"
      "W 1:97-103 Invalid configuration: relation 't': connector 'a': unknown field \"worse\"\n"
      "W 2:2-6 Invalid configuration: relation 't': connector 'b': unknown field \"nme\"; did you mean \"name\"?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = '[{\"name\":\"a\",'\n"
      "  "
      "'\"bad\":\"it''s\",\"worse\":1,\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "W 2:4-8 Invalid configuration: relation 't': connector 'a': unknown field \"bad\"\n"
      "W 2:18-24 Invalid configuration: relation 't': connector 'a': unknown field \"worse\"\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"${secret:vault:x}\"}},\"format\":"
      "{\"name\":\"json\"}},{\"name\":\"b\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"${env:1X}\"}},"
      "\"format\":{\"name\":\"json\"}},{\"name\":\"c\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"${"
      "secret:kubernetes:a/"
      "b-c}\"}},\"format\":{\"name\":\"json\"}},{\"name\":\"d\",\"transport\":{\"name\":\"url_input\",\"config\":{"
      "\"path\":\"${secret:kubernetes:A/b}\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:128-146 ConnectorGenerationError: relation 't': connector 'a': secret reference '${secret:vault:x}' does "
      "not specify a valid provider (for example: 'kubernetes:')\n"
      "E 1:237-247 ConnectorGenerationError: relation 't': connector 'b': environment variable reference '${env:1X}' "
      "is not valid: expected ${env:NAME}\n"
      "E 1:456-481 ConnectorGenerationError: relation 't': connector 'd': secret reference '${secret:kubernetes:A/b}' "
      "is not valid: expected ${secret:kubernetes:<name>/<key>}\n" },
};
static const kit_case_t strict[] = {
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"pth\":\"x\",\"path\":\"y\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:121-125 Invalid configuration: relation 't': connector 'a': unknown field \"pth\"; did you mean "
      "\"path\"?\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"http://h/"
      "x\"}},\"format\":{\"name\":\"json\"},\"max_queued_record\":5,\"paused\":\"yes\",\"max_queued_records\":0}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:168-186 Invalid configuration: relation 't': connector 'a': unknown field \"max_queued_record\"; did you "
      "mean \"max_queued_records\"?\n"
      "E 1:199-203 ConnectorGenerationError: relation 't': connector 'a': option 'paused': expected true or false, "
      "found a string\n"
      "E 1:226-226 ConnectorGenerationError: relation 't': connector 'a': option 'max_queued_records': 0 is not a "
      "whole number from 1 to 18446744073709551615\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"labels\":[\"x\"],\"nmae\":1,\"config\":{\"path\":"
      "\"y\"}},\"format\":{\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:111-118 Invalid configuration: relation 't': connector 'a': 'labels' belongs beside \"transport\", not in "
      "it; it is ignored here\n" },
    { "CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
      "'[{\"name\":\"a\",\"transport\":{\"name\":\"url_input\",\"nmae\":1,\"config\":{\"path\":\"y\"}},\"format\":{"
      "\"name\":\"json\"}}]');\n"
      "CREATE VIEW v AS SELECT * FROM t;",
      "E 1:111-116 Invalid configuration: relation 't': connector 'a': unknown field \"nmae\"; did you mean "
      "\"name\"?\n" },
};

static void complaints_point_into_the_literal(void **state)
{
    (void)state;
    kit_check_messages(connectors, HG_COUNT(connectors), NULL);
}

static void strict_makes_unknown_options_errors(void **state)
{
    (void)state;
    kit_check_messages(strict, HG_COUNT(strict), &(hg_compile_opts_t){ .strict = true });
}

static hg_program_t *good(const char *sql)
{
    hg_program_t *p = hg_compile(hg_strz(sql), NULL);
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    kit_messages(p, &b);
    assert_string_equal(b.p, "");
    hg_buf_release(&b);
    return p;
}

static const char *const backfill =
    "CREATE TABLE \"Price\"(part BIGINT NOT NULL PRIMARY KEY) WITH ('connectors' = '[\n"
    " {\"name\":\"live\",\"start_after\":\"b\",\"handoff\":\"gapless\",\"max_queued_records\":7,\n"
    "  "
    "\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"p\",\"group.id\":5,\"x.y\":true}},\"format\":{"
    "\"name\":\"json\"}},\n"
    " {\"name\":\"hist\",\"labels\":[\"b\"],\"paused\":true,\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":"
    "\"${env:URL}\"}},\"format\":{\"name\":\"json\"}}]');\n"
    "CREATE VIEW v WITH ('connectors' = "
    "'[{\"name\":\"o\",\"index\":\"i\",\"transport\":{\"name\":\"null_output\",\"config\":{}}}]') AS SELECT part, part "
    "+ 1 AS n FROM \"Price\";\n"
    "CREATE INDEX i ON v(n);\n";

static void specs_hold_what_was_configured(void **state)
{
    (void)state;
    hg_program_t *p = good(backfill);
    assert_int_equal(p->n_conns, 3);
    assert_int_equal(p->n_inputs, 2);
    const hg_conn_spec_t *live = &p->conns[0], *hist = &p->conns[1], *out = &p->conns[2];
    assert_string_equal(live->endpoint.p, "Price.live");
    assert_string_equal(live->stream.p, "\"Price\"");
    assert_int_equal(live->handoff, HG_HANDOFF_GAPLESS);
    assert_int_equal(live->max_queued_records, 7);
    assert_int_equal(live->max_queued_bytes, 7000);
    assert_true(live->has_after && !live->finite && !live->paused);
    assert_string_equal(((const fake_cfg_t *)live->transport_cfg)->topic, "p");
    assert_int_equal(((const fake_cfg_t *)live->transport_cfg)->extra.n, 2);
    assert_true(hist->finite && hist->paused && !hist->has_after);
    assert_string_equal(((const fake_cfg_t *)hist->transport_cfg)->path, "${env:URL}");
    assert_int_equal(hist->max_queued_records, 1000000);
    assert_int_equal(hist->pos.line, 4);
    assert_true(p->orch[0].wants_mark && !p->orch[1].wants_mark);
    assert_int_equal(p->plan.relations[out->relation].kind, HG_REL_VIEW);
    assert_int_equal(out->n_index_key, 1);
    assert_int_equal(out->index_key[0], 1);
    assert_null(out->format);
    hg_program_free(p);
}

static void info_is_published_as_clients_parse_it(void **state)
{
    (void)state;
    hg_program_t *p = good(backfill);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_info_json(p, &w);
    const char *conns = strstr(b.p, "\"udf_stubs\"");
    assert_non_null(conns);
    assert_string_equal(
        conns,
        "\"udf_stubs\":\"\",\"input_connectors\":{\"Price.live\":{\"stream\":\"\\\"Price\\\"\",\"transport\":{\"name\":"
        "\"kafka_input\",\"config\":{\"topic\":\"p\",\"group.id\":\"5\",\"x.y\":\"true\"}},\"format\":{\"name\":"
        "\"json\",\"config\":{}},\"max_queued_records\":7,\"paused\":false,\"labels\":[],\"start_after\":[\"b\"]},"
        "\"Price.hist\":{\"stream\":\"\\\"Price\\\"\",\"transport\":{\"name\":\"url_input\",\"config\":{\"path\":\"${"
        "env:URL}\"}},\"format\":{\"name\":\"json\",\"config\":{}},\"max_queued_records\":1000000,\"paused\":true,"
        "\"labels\":[\"b\"]}},\"output_connectors\":{\"v.o\":{\"stream\":\"v\",\"transport\":{\"name\":\"null_output\"}"
        ",\"index\":\"i\",\"enable_output_buffer\":false,\"max_output_buffer_size_records\":10000000,\"max_queued_"
        "records\":1000000,\"paused\":false,\"labels\":[]}}}");
    hg_buf_release(&b);
    hg_program_free(p);
}

static void our_own_transports_are_published_as_kafka(void **state)
{
    (void)state;
    hg_program_t *p = good("CREATE TABLE t(x INT NOT NULL PRIMARY KEY) WITH ('connectors' = "
                           "'[{\"name\":\"a\",\"transport\":{\"name\":\"iggy_input\",\"config\":{\"topic\":\"q\"}},"
                           "\"format\":{\"name\":\"json\"}}]'); CREATE VIEW v AS SELECT * FROM t;");
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_program_info_json(p, &w);
    assert_non_null(strstr(
        b.p,
        "\"transport\":{\"name\":\"kafka_input\",\"config\":{\"topic\":\"q\",\"headgate.transport\":\"iggy_input\"}}"));
    hg_buf_release(&b);
    hg_program_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complaints_point_into_the_literal),
        cmocka_unit_test(strict_makes_unknown_options_errors),
        cmocka_unit_test(specs_hold_what_was_configured),
        cmocka_unit_test(info_is_published_as_clients_parse_it),
        cmocka_unit_test(our_own_transports_are_published_as_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
