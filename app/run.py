"""The page from its start to its end: what it is made of, and what is done beside it."""

import argparse
import gc
import os
import signal
import sys
import time
from functools import partial
from itertools import count
from multiprocessing import active_children
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from app.access import is_local, is_public
from app.demo import Demo
from app.event_log import EventLog, Lossy, where
from app.layout import build
from app.pictures import Pictures, derived, secret_of
from app.server.start import serve
from app.server.upload_folders import Arrivals
from app.services import Services
from app.zerogpu import borrow_for
from engine.gallery import Comparison, EngineError, Library, Visitors, home

if TYPE_CHECKING:
    from engine.gallery import Encoder

MINUTE = 60  # seconds


def load_encoder(model: str | None, random_weights: bool) -> "Encoder":
    """The encoder, with what it stands on imported only now: the page opens before."""
    from engine.gallery import load_encoder as load
    from engine.gallery import named

    encoder = load(named(model, random_weights))
    # All of it stays: to look through it for garbage would take half a second, in which nobody is answered.
    gc.freeze()
    if encoder.exits == 1:
        sys.stderr.write(
            f"{encoder.identity.model} has no exit weights: every photo runs to full depth. "
            "`python -m engine fit` makes some.\n"
        )
    return borrow_for(encoder)


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description="Search photos with words, and see what each one cost.",
        epilog="Environment: TGEM_HOME is the data folder. GRADIO_SERVER_PORT is the port; GRADIO_SERVER_NAME=0.0.0.0 "
        "lets other machines in, each visitor with galleries of their own (docs/hosting.md).",
    )
    parser.add_argument(
        "--model",
        default=os.environ.get("TGEM_MODEL"),
        help="NAME/TAG of an OpenCLIP model, hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH; "
        "by default TGEM_MODEL, or else the shipped one",
    )
    parser.add_argument(
        "--random-weights", action="store_true", help="give the architecture NAME weights from a fixed seed"
    )
    parser.add_argument("--mcp", action="store_true", help="serve the named endpoints as tools for assistants, too")
    return parser.parse_args()


def housekeeping(services: Services, arrivals: Arrivals) -> None:
    """Note who came, and delete what was left on its way in; every hour, what visitors keep who stay away."""
    visitors = services.visitors
    for minute in count():
        try:
            arrivals.sweep()
            services.demo.find_again()
            if visitors is not None:
                visitors.write_down()
            if minute % 60 == 0:
                services.library.tidy()
                if visitors is not None:
                    with services.event_log.timed("expire") as counts:
                        counts["visitors"] = visitors.expire()
        except EngineError as error:  # a locked database, say: the next time will do
            sys.stderr.write(f"{error}\n")
        except Exception as error:  # what nobody foresaw is no reason to keep no house any more
            sys.stderr.write(where(error))
        time.sleep(MINUTE)


def race_demo(encoding: Thread, demo: Demo, comparison: Comparison) -> None:
    """Race over the demo gallery once it is encoded, for strangers to look at, who may start none."""
    encoding.join()
    try:
        comparison.race(demo.id)
    except EngineError as error:  # the Compare tab says so too
        sys.stderr.write(f"{error}\n")


def end(arrivals: Arrivals) -> None:
    """End the program at once; what was sent and not taken in does not stay."""
    arrivals.clear()
    # Threads that compute do not end when told to, and PyTorch aborts where the interpreter ends under them.
    for child in active_children():  # of ZeroGPU's package: they would keep the port
        child.kill()
    sys.stdout.flush()
    os._exit(0)


def run(folder: Path) -> None:
    """Serve the page until it is stopped; the demo gallery is encoded beside it at the first start.

    Args: folder: where files arrive.
    """
    chosen = options()
    sys.stderr = Lossy(sys.stderr)
    try:
        library = Library.open(partial(load_encoder, chosen.model, chosen.random_weights))
        demo = Demo(library)
        secret = secret_of(home())
        pictures = Pictures(library, secret, originals=is_local())
        visitors = Visitors(library) if is_public() else None
        event_log = EventLog(sys.stderr if visitors is not None else None)
        services = Services(library, Comparison(library), demo, pictures.address, visitors, event_log)
        page = build(services, derived(secret, "browser"))
        arrivals = Arrivals(folder)
        address = serve(page, services, pictures, arrivals, chosen.mcp)
    except (EngineError, OSError) as error:
        sys.exit(str(error))
    sys.stderr.write(f"T-GEM search is on {address}\n")
    encoding = demo.start()
    if visitors is not None:
        Thread(target=race_demo, args=(encoding, demo, services.comparison), name="race", daemon=True).start()
    Thread(target=housekeeping, args=(services, arrivals), name="housekeeping", daemon=True).start()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP: a window that is closed
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
            signal.signal(number, lambda *_: end(arrivals))
    page.block_thread()
    end(arrivals)
