"""Makes the text bank: sentences, things and scenes from the lists of grammar/ and things.txt, the same every time."""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from engine.exits.phrases import read_texts
from engine.utils.atomic_files import write_whole
from engine.utils.paths import TEXT_BANK, THINGS, TRAINING
from engine.utils.word_lists import lists_of

GRAMMAR = TRAINING / "grammar"
SEED = 2026
PER_ACTIVITY = 9  # sentences
PLAIN_SHARE = 0.34  # of the things that are also named with no place or use
TAIL_SHARE = 0.25  # of the sentences that say more than where it happens
LONGEST = 90  # characters
MOST_WORDS = 15
TRIES = 6  # draws for each text that is wanted; a small list gives fewer different ones
FORMS = ("{a} {vs} {p}",) * 5 + ("{a} {ving} {p}",) * 4 + ("{a} {be} {ving} {p}",) * 2 + ("{a} {vs}", "{a} {ving}")
SHORT = 3  # words; an activity of fewer is always told with a place
PAIRED = re.compile(r" and (a|an|her|his|two|groom)\b")
GROUPED = re.compile(r"an? (\w+ )?(pair|group|couple|crowd|herd|flock|pack|school|colony|line|team|pride)\b")
BEFORE_CONSONANT = re.compile(r"one\b|uni(?!n|m)|us[eb]|util|uku|euro|eucal|ewe", re.IGNORECASE)
BEFORE_VOWEL = re.compile(r"[aeiou]|hour|heir|honest|X-ray|MRI|ECG", re.IGNORECASE)
SAME_PLURAL = re.compile(r"(sheep|deer|moose|bison|springbok|fish|trout|salmon|elk|squid|shrimp|chamois|bonsai)$")
PLURALS = {"goose": "geese", "mouse": "mice", "leaf": "leaves", "calf": "calves", "wolf": "wolves", "loaf": "loaves",
           "knife": "knives", "ox": "oxen", "man": "men", "child": "children", "shelf": "shelves"}  # fmt: skip


class Draws:
    """Draws phrases from named lists; each list is used up in a random order before any of it comes again."""

    def __init__(self, lists: dict[str, list[str]], random: Random) -> None:
        self.lists, self.random = lists, random
        self.decks: dict[str, list[str]] = {}

    def draw(self, name: str, choices: list[str]) -> str:
        """The next of the choices, which go by a name."""
        if not self.decks.get(name):
            self.decks[name] = self.random.sample(choices, len(choices))
        return self.decks[name].pop()

    def fill(self, form: str) -> str:
        """A form with a drawn phrase for each {name}, and one of each (a/b)."""
        while found := re.search(r"{(\w+)}", form):
            form = form[: found.start()] + self.draw(found[1], self.lists[found[1]]) + form[found.end() :]
        form = re.sub(r"\(([^()]*/[^()]*)\)", lambda found: self.draw(found[0], found[1].split("/")), form)
        return with_articles(" ".join(form.split()))

    def different(self, form: str, count: int) -> list[str]:
        """That many different texts of a form, or as many as there are."""
        return list(dict.fromkeys(filter(_fit, (self.fill(form) for _ in range(count * TRIES)))))[:count]


def write_bank(path: Path = TEXT_BANK) -> int:
    """Writes the text bank, one text a line; returns how many there are."""
    texts = bank_texts()
    write_whole(path, ("\n".join(texts) + "\n").encode())
    return len(texts)


def bank_texts() -> list[str]:
    """All texts of the bank, each one once."""
    lists = dict(line.split(": ", 1) for file in ("words", "places", "scene_words") for line in _lines(file))
    draws = Draws({name: items.split("; ") for name, items in lists.items()}, Random(SEED))
    return list(dict.fromkeys(text for part in (_sentences, _things, _scenes) for text in part(draws)))


def with_articles(text: str) -> str:
    """A text with "a" or "an" as the next word asks."""

    def article(found: re.Match[str]) -> str:
        word = found[2]
        return f"{'an' if BEFORE_VOWEL.match(word) and not BEFORE_CONSONANT.match(word) else 'a'} {word}"

    return re.sub(r"\b(an?) ([\w-]+)", article, text)


def plural(noun: str) -> str:
    """The plural of a noun, or of a phrase that ends in one or goes on with "of", "and" or "in"."""
    head, *rest = re.split(r"( (?:of|and|in) )", noun, maxsplit=1)
    if rest:
        return plural(head) + "".join(rest)
    if SAME_PLURAL.search(noun):
        return noun
    for one, many in PLURALS.items():
        if noun.endswith(one) and (one != "ox" or noun == one):  # foxes and boxes are regular
            return noun.removesuffix(one) + many
    return noun + "es" if re.search(r"(ato|mango|cargo)$", noun) else with_s(noun)


def with_s(word: str) -> str:
    """A regular plural, or a verb with he, she or it."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh|^go|^do)$", word) else "s")


def with_ing(verb: str) -> str:
    """A verb's -ing form."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if re.search(r"[^eoy]e$", verb):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if re.search(r"^[^aeiou]*[aeiou][^aeiouwxy]$|[^e]el$", verb) else "") + "ing"


def _lines(file: str) -> list[str]:
    return read_texts(GRAMMAR / f"{file}.txt")


def _fit(text: str) -> bool:
    return len(text) <= LONGEST and len(text.split()) <= MOST_WORDS and not re.search(r"\b(\w{3,}) (and )?\1\b", text)


def _sentences(draws: Draws) -> Iterator[str]:
    actors = {name: (pronoun, phrases) for name, pronoun, phrases in (line.split(" | ") for line in _lines("actors"))}
    for number, line in enumerate(_lines("activities")):
        activity, who, places, tails = [*re.split(r" \|(?: |$)", line), ""][:4]
        made: dict[str, None] = {}
        for _ in range(PER_ACTIVITY * TRIES):
            name, pronoun, phrases = draws.draw(f"who {number}", who.split(", ")), "their", ""
            while name in actors:
                pronoun, phrases = actors[name]
                name = draws.draw(name, phrases.split(", " if pronoun == "=" else "; "))
            place = draws.draw(f"place {number}", places.split("; ")).strip("- ")
            if tails.strip() and draws.random.random() < TAIL_SHARE:
                place += " " + draws.draw(f"tail {number}", tails.strip().split("; "))
            made[_sentence(draws, draws.fill(name), pronoun, draws.fill(activity), draws.fill(place))] = None
        yield from list(filter(_fit, made))[:PER_ACTIVITY]


def _sentence(draws: Draws, actor: str, pronoun: str, activity: str, place: str) -> str:
    one = bool(re.match(r"(an?(?! few)|someone)\b", actor)) and not PAIRED.search(actor) and not GROUPED.match(actor)
    activity = re.sub(r"\[(.*?)\|(.*?)\]", lambda found: found[1 if one else 2], activity)
    if one:
        activity = re.sub(r"\btheir\b", "their" if pronoun == "=" else pronoun, activity)
    short = len(activity.split()) < SHORT
    form = draws.draw(f"form {short}", list(FORMS[:-2] if short else FORMS))
    verbs = re.compile(r"^[\w-]+|(?<=\^)[\w-]+")
    words = {
        "a": actor,
        "be": "is" if one else "are",
        "vs": verbs.sub(lambda found: with_s(found[0]) if one else found[0], activity).replace("^", ""),
        "ving": verbs.sub(lambda found: with_ing(found[0]), activity).replace("^", ""),
        "p": place,
    }
    return with_articles(" ".join(form.format(**words).split()))


def _things(draws: Draws) -> Iterator[str]:
    forms = dict(line.split(": ", 1) for line in _lines("frames"))
    mass = forms.pop("mass kinds").split(", ")
    frames = {kind: items.split("; ") for kind, items in forms.items()}
    for kind, things in lists_of(THINGS).items():
        for thing in things if kind in frames else []:
            plain = [kind] + ["mass" if kind in mass else "plain"] * (draws.random.random() < PLAIN_SHARE)
            for name in plain:
                frame = draws.draw(f"frames {name}", frames[name]).replace("{x}", thing)
                yield draws.fill(frame.replace("{xs}", plural(thing)))


def _scenes(draws: Draws) -> Iterator[str]:
    for line in _lines("scenes"):
        count, form = line.split(" | ", 1)
        yield from draws.different(form, int(count))


if __name__ == "__main__":
    write_bank()
