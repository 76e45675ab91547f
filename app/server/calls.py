"""Calls of the named endpoints: what Gradio would end in an error that repeats them is answered with a sentence."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import orjson

from app.server.refusals import Refusal

LONGEST_SESSION = 64
# Of each endpoint its parameters, in order, and the default of those that have one in a list.
Endpoints = Mapping[str, Mapping[str, list[Any]]]


def endpoints(page: gr.Blocks) -> Endpoints:
    """The named endpoints of a page."""
    return {
        path.removeprefix("/"): {
            parameter["parameter_name"]: [parameter["parameter_default"]] if parameter["parameter_has_default"] else []
            for parameter in endpoint["parameters"]
        }
        for path, endpoint in page.get_api_info()["named_endpoints"].items()
    }


def named_call(body: bytes, name: str, by_name: bool, endpoints: Endpoints) -> bytes | Refusal:
    """The body of a call with the defaults of what it leaves out, or why it is none.

    Args: by_name: its values are named, and do not stand in a list.
    """
    parameters = endpoints.get(name)
    if parameters is None:
        return Refusal(404, "There is no such endpoint; /gradio_api/info lists them.")
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Refusal(400, "This is not JSON.")
    values = told if by_name else told.get("data") if isinstance(told, dict) else None
    if not isinstance(values, dict if by_name else list):
        return Refusal(400, "This is no call of an endpoint.")
    session = None if by_name else told.get("session_hash")
    if session is not None and not (isinstance(session, str) and 0 < len(session) <= LONGEST_SESSION):
        return Refusal(400, "This is no name of a session (session_hash).")
    given: dict[str, Any] = dict(values) if by_name else dict(zip(parameters, values, strict=False))
    needed = [parameter for parameter, default in parameters.items() if not default]
    if len(values) > len(given) or not given.keys() <= parameters.keys() or not given.keys() >= set(needed):
        must = f"; needed: {', '.join(needed)}" if needed else ""
        return Refusal(400, f"{name} takes {', '.join(parameters)}{must}.")
    whole = {parameter: given.get(parameter, *default) for parameter, default in parameters.items()}
    return orjson.dumps(whole if by_name else {**told, "data": list(whole.values())})
