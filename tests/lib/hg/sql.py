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
    return connector(name, "url_input", config, fmt, fmt_config or {"update_format": "raw"}, **members)


def datagen(name, *plans, seed=1, **members):
    return connector(name, "datagen", {"seed": seed, "plan": list(plans)}, **members)


def kafka_in(name, bootstrap, topic, fmt="json", fmt_config=None, options=None, **members):
    config = {"topic": topic, "bootstrap.servers": bootstrap, **(options or {})}
    if topic is None:
        del config["topic"]
    return connector(name, "kafka_input", config, fmt, fmt_config or {"update_format": "raw"}, **members)


def kafka_out(name, bootstrap, topic, fmt="json", fmt_config=None, options=None, **members):
    return connector(name, "kafka_output", {"topic": topic, "bootstrap.servers": bootstrap, **(options or {})}, fmt, fmt_config, **members)
