"""What must stand in the environment before Gradio is imported, which reads it then."""

import os
import re
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

from engine.gallery import EngineError, home, lend_temporary_folder

TEMPORARY = "GRADIO_TEMP_DIR"
# After how many events Gradio reckons figures of the last ten thousand anew: 20 to 50 ms each time, which nobody sees.
FIGURES, NEVER = "GRADIO_ANALYTICS_CACHE_FREQUENCY", str(2**62)
PORT = "GRADIO_SERVER_PORT"
NAME = "GRADIO_SERVER_NAME"  # or address, to listen on
ROOT = "GRADIO_ROOT_PATH"
PATH = re.compile(r"(https?://[^\s/?#]+)?(/[\w.~%!$&'()*+,;=:@-]+)*/?")
PROXIES = "FORWARDED_ALLOW_IPS"  # which the web server reads itself
PUBLIC = "TGEM_PUBLIC"
YES, NO = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


class BadSetting(EngineError):
    """An environment variable that cannot be meant."""


def prepare() -> Path:
    """Have files arrive in a folder of our own, and all that is written readable by this user only.

    Returns: the folder.  Raises: BadSetting, HomeUnwritable.
    """
    os.umask(0o077)
    port = os.environ.get(PORT, "7860")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadSetting(f"{PORT} is {port!r}; set it to a port from 1 to 65535.")
    root = os.environ.get(ROOT, "")
    if not PATH.fullmatch(root):
        raise BadSetting(f"{ROOT} is {root!r}; set it to the path that a proxy serves the page under, like /photos.")
    if not os.environ.get(PROXIES):
        os.environ.pop(PROXIES, None)  # empty, it would take the trust from a proxy on this machine, too
    proxies = os.environ.get(PROXIES, "*")
    for proxy in proxies.split(",") if proxies != "*" else []:
        if not is_address(proxy.strip()):
            raise BadSetting(
                f"{PROXIES} names {proxy.strip()!r}; set it to addresses of proxies, like 10.0.0.5 or 10.0.0.0/8, or "
                "to * alone."
            )
    says_public()
    chosen = os.environ.get(TEMPORARY)
    try:
        folder = Path(chosen).expanduser().absolute() / "tgem-arriving" if chosen else home() / "arriving"
    except RuntimeError as error:
        raise BadSetting(f"{TEMPORARY} is {chosen!r}, but there is no such user; name a folder of yours.") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # or refuse another user's, whom uploads are none of
        with suppress(OSError):  # it may be a volume that is lent to a group
            home().chmod(0o700)  # what earlier editions have left in it is nobody else's, too
    except OSError as error:
        raise BadSetting(
            f"{folder} cannot be used ({error.strerror}); set {TEMPORARY} to a folder of yours."
        ) from error
    lend_temporary_folder()
    os.environ[TEMPORARY] = str(folder)
    os.environ[FIGURES] = NEVER
    return folder


def says_public() -> bool | None:
    """Whether strangers come, as $TGEM_PUBLIC says; None where it says nothing. Raises: BadSetting."""
    said = os.environ.get(PUBLIC, "").strip().lower()
    if said not in ("", *YES, *NO):
        raise BadSetting(f"{PUBLIC} is {said!r}; set it to 1 where strangers come, or to 0 where they do not.")
    return said in YES if said else None


def is_address(name: str) -> bool:
    """Whether this is an address or a network, as the web server reads them."""
    try:
        return ip_network(name).num_addresses > 0
    except ValueError:
        return False


def server_name() -> str:
    """The name or address to listen on, an IPv6 address without brackets; this machine's own where none is set."""
    return os.environ.get(NAME, "").strip().strip("[]") or "127.0.0.1"
