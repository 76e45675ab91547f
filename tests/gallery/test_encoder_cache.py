"""One encoder, and its variants for what owners look for."""

from dataclasses import replace
from threading import Thread

from engine.gallery.encoder_cache import Encoders
from tests.fake_encoder import FakeEncoder


def test_a_variant_that_was_begun_of_an_encoder_that_is_replaced_is_not_kept_for_the_next_one() -> None:
    old = FakeEncoder()
    new = replace(old, identity=replace(old.identity, weights="c" * 64))
    encoders = Encoders(lambda: old)
    with encoders._embedding:  # another gallery's phrases are embedded
        waiting = Thread(target=encoders.by, args=(("red",),))
        waiting.start()
        while encoders._general is None:
            pass
        encoders.replace(new)
    waiting.join()
    assert encoders.by(("red",)).identity == new.looking_for(("red",)).identity
