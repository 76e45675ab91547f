"""What a page or a program calls: what Gradio would end in an error that repeats it is answered with a sentence."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import orjson

from app.server.refusals import TurnedAway

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


def named_call(body: bytes, name: str, by_name: bool, endpoints: Endpoints) -> bytes:
    """The body of a call with the defaults of what it leaves out; raises TurnedAway.

    Args: by_name: its values are named, and do not stand in a list.
    """
    parameters = endpoints.get(name)
    if parameters is None:
        raise TurnedAway(404, "There is no such endpoint; /gradio_api/info lists them.")
    told = _object(body)
    values = told if by_name else told.get("data")
    if not isinstance(values, dict if by_name else list):
        raise TurnedAway(400, "This is no call of an endpoint.")
    if not by_name and told.get("session_hash") is not None:
        _session(told)
    given: dict[str, Any] = dict(values) if by_name else dict(zip(parameters, values, strict=False))
    needed = [parameter for parameter, default in parameters.items() if not default]
    if len(values) > len(given) or not given.keys() <= parameters.keys() or not given.keys() >= set(needed):
        must = f"; needed: {', '.join(needed)}" if needed else ""
        raise TurnedAway(400, f"{name} takes {', '.join(parameters)}{must}.")
    whole = {parameter: given.get(parameter, *default) for parameter, default in parameters.items()}
    return orjson.dumps(whole if by_name else {**told, "data": list(whole.values())})


def calling_session(body: bytes, inputs: Mapping[int, int]) -> str:
    """Which session calls an event of the page; raises TurnedAway, also where it brings more than the event takes.

    Args: inputs: how many each event takes, by the event's number.
    """
    told = _object(body)
    event, data = told.get("fn_index"), told.get("data")
    if isinstance(event, bool) or not isinstance(event, int) or event not in inputs:
        raise TurnedAway(404, "The page has other events by now; load it again.")
    if not isinstance(data, list) or len(data) > inputs[event]:
        raise TurnedAway(400, "The page has other events by now; load it again.")
    return _session(told)


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TurnedAway(400, "This is not JSON.") from error
    if not isinstance(told, dict):
        raise TurnedAway(400, "This is no call.")
    return told


def _session(told: Mapping[str, Any]) -> str:
    session = told.get("session_hash")
    if not isinstance(session, str) or not 0 < len(session) <= LONGEST_SESSION:
        raise TurnedAway(400, "Say which session this is (session_hash).")
    return session
