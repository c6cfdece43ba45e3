"""Programs of tests: tables and views with connectors, without writing JSON inside SQL by hand."""
import json


def connector(name, transport, config=None, fmt=None, fmt_config=None, **members):
    c = {"name": name, "transport": {"name": transport}, **members}
    if config is not None:
        c["transport"]["config"] = config
    if fmt:
        c["format"] = {"name": fmt, "config": fmt_config or {}}
    return c


def _with(connectors, **properties):
    if connectors:
        properties["connectors"] = json.dumps(connectors)
    quoted = ", ".join("'%s' = '%s'" % (k, v.replace("'", "''")) for k, v in properties.items())
    return f" WITH ({quoted})" if quoted else ""


def table(name, columns, *connectors, materialized=False):
    return f"CREATE TABLE {name} ({columns}){_with(connectors, **({'materialized': 'true'} if materialized else {}))};\n"


def view(name, select, *connectors, materialized=False):
    return f"CREATE {'MATERIALIZED ' if materialized else ''}VIEW {name}{_with(connectors)} AS {select};\n"


def file_in(name, path, fmt="json", fmt_config=None, follow=False, **members):
    if fmt_config is None and fmt == "json":
        fmt_config = {"update_format": "raw"}
    return connector(name, "file_input", {"path": str(path), **({"follow": True} if follow else {})}, fmt, fmt_config, **members)


def file_out(name, path, fmt="json", fmt_config=None, **members):
    return connector(name, "file_output", {"path": str(path)}, fmt, fmt_config, **members)


def url_in(name, url, fmt="json", fmt_config=None, **members):
    config = {"path": url}
    if "pause_timeout" in members:
        config["pause_timeout"] = members.pop("pause_timeout")
    if fmt_config is None and fmt == "json":
        fmt_config = {"update_format": "raw"}
    return connector(name, "url_input", config, fmt, fmt_config, **members)


def datagen(name, *plans, seed=1, **members):
    return connector(name, "datagen", {"seed": seed, "plan": list(plans)}, **members)


def kafka_in(name, bootstrap, topic, fmt="json", fmt_config=None, options=None, **members):
    config = {"topic": topic, "bootstrap.servers": bootstrap, **(options or {})}
    if topic is None:
        del config["topic"]
    return connector(name, "kafka_input", config, fmt, fmt_config or {"update_format": "raw"}, **members)


def kafka_out(name, bootstrap, topic, fmt="json", fmt_config=None, options=None, **members):
    return connector(name, "kafka_output", {"topic": topic, "bootstrap.servers": bootstrap, **(options or {})}, fmt, fmt_config, **members)


def s3_in(name, server, fmt="json", fmt_config=None, bucket="bucket", creds=True, **config):
    """server: hg.s3.Server. Options of the transport as they are; members of the connector by name."""
    members = {k: config.pop(k) for k in ("labels", "start_after", "paused", "max_queued_records") if k in config}
    config = {"region": "eu-test-1", "bucket_name": bucket, "endpoint_url": server.url, **config}
    if creds:
        config = {"aws_access_key_id": "AKIDTESTTESTTEST", "aws_secret_access_key": "geheim/4711+x=", **config}
    if fmt_config is None and fmt == "json":
        fmt_config = {"update_format": "raw"}
    return connector(name, "s3_input", config, fmt, fmt_config, **members)


def _iggy(server, stream, topic, options):
    login = {} if {"token", "username", "connection_string"} & set(options) else {"username": "iggy", "password": "iggy"}
    where = {} if "connection_string" in options else {"address": server.address}
    return {**where, "stream": stream, "topic": topic, "reconnect_interval": "100ms", **login, **options}


def iggy_in(name, server, stream, topic, fmt="json", fmt_config=None, options=None, **members):
    """server: hg.iggy.Server."""
    return connector(name, "iggy_input", _iggy(server, stream, topic, options or {}), fmt, fmt_config or {"update_format": "raw"}, **members)


def iggy_out(name, server, stream, topic, fmt="json", fmt_config=None, options=None, **members):
    return connector(name, "iggy_output", _iggy(server, stream, topic, options or {}), fmt, fmt_config, **members)
