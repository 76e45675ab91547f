"""What a page is told, as a program reads it."""

import httpx


def heard(client: httpx.Client, session: str) -> str:
    """What a session's stream says until it ends, when the reader hangs up as a page does."""
    told = ""
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        for part in events.iter_text():
            told += part
            if "close_stream" in told:
                break
    return told
