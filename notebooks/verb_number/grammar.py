"""English-like sentences up to their verb, with attractors: data of the verb-number experiment.

    the keys to the old cabinet that the nurse opens never  →  plural

Prepositional phrases and relative clauses, whose nouns have their own numbers, may follow the
subject; a clause may precede it. An *attractor* is a noun between subject and verb with the other
number.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PEOPLE = """author teacher nurse doctor farmer pilot lawyer senator minister officer dancer
guard manager student visitor customer painter singer writer actor driver baker tailor hunter
king queen boy girl uncle cousin neighbour soldier sailor judge clerk man woman child
person""".split()
THINGS = """key cabinet table letter book car boat bridge garden house window door picture song
story report idea plan law rule tree flower river road city village island hill field box cup
plate knife lamp clock coat hat ring coin map ticket machine engine wheel tower wall roof stone
garment bottle basket chair desk candle drum violin bird dog horse cow mouse goose""".split()
SAME = "sheep deer fish aircraft series species".split()  # the article shows the number
IRREGULAR = {
    "man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice",
    "goose": "geese", "knife": "knives",
}  # fmt: skip
ADJECTIVES = """old new small large red green broken famous quiet young tired happy heavy light
strange clever lazy rich poor honest local foreign early late empty wooden golden dusty gentle
brave""".split()
PLACES = "to of near behind above under beside with from in on by against without".split()
ADVERBS = "often never always probably certainly usually still now rarely perhaps".split()
VERBS = """admire know like see watch help follow hear need draw paint praise want find love
remember describe mention""".split()
PAST = {
    "know": "knew", "see": "saw", "hear": "heard", "draw": "drew", "find": "found",
}  # fmt: skip
ARTICLES = {
    False: "the the the the the my their no a this that every each".split(),
    True: "the the the the the my their no these those many some several".split(),
}
SAYS = {False: "says thinks knows hopes".split(), True: "say think know hope".split()}
SAID = "said thought knew hoped".split()

# What may follow the subject. p: prepositional phrase. r, a: relative clause whose subject is the
# noun before it, with its verb in the past (r) or present (a: the verb agrees, so it shows the
# number). o: relative clause with its own subject.
KINDS = "prao"
# Not in the training data: these orders of two, and more attractors than this.
HELD_OUT = ("po", "ar", "op")
MOST_ATTRACTORS = 2


@dataclass(frozen=True)
class Sentence:
    """The words up to the verb, the number of the verb, and what makes it difficult."""

    words: tuple[str, ...]
    plural: bool
    subject: int  # position of the subject's noun; of the first of two joined by "and"
    attractors: int  # nouns of the other number between subject and verb
    nearest: bool  # whether the noun nearest to the verb is plural
    template: str  # kinds of what follows the subject, in order

    def __str__(self) -> str:
        return " ".join(self.words)


def vocabulary() -> list[str]:
    """Return every word of the grammar, sorted."""
    nouns = [form for noun in PEOPLE + THINGS + SAME for form in (noun, plural_of(noun))]
    verbs = [form for verb in VERBS for form in (verb, present_of(verb, False), past_of(verb))]
    articles, says = ARTICLES[False] + ARTICLES[True], SAYS[False] + SAYS[True] + SAID
    rest = [*ADJECTIVES, *PLACES, *ADVERBS, *articles, *says, "that", "and", "when", ","]
    return sorted({*nouns, *verbs, *rest})


def sentences(seed: int) -> Iterator[Sentence]:
    """Yield sentences of all templates without end, the same ones for the same seed."""
    rng = random.Random(seed)
    while True:
        yield sentence(rng)


def known(one: Sentence) -> bool:
    """Return whether a sentence has a structure of the training data."""
    held_out = any(order in one.template for order in HELD_OUT)
    return one.attractors <= MOST_ATTRACTORS and not held_out


def sentence(rng: random.Random) -> Sentence:
    """Return one random sentence."""
    words = _opening(rng)
    plural = rng.random() < 0.5
    phrase, at = _noun_phrase(rng, plural)
    subject = len(words) + at
    words += phrase
    nearest, attractors = plural, 0
    if rng.random() < 0.08:  # two subjects are plural together
        nearest = rng.random() < 0.5
        words += ["and", *_noun_phrase(rng, nearest)[0]]
        plural = True
    template = "".join(rng.choice(KINDS) for _ in range(rng.choice((0, 1, 1, 2, 2, 2, 3, 3, 4))))
    last = plural  # number of the noun to which the next phrase belongs
    for kind in template:
        number = rng.random() < 0.5
        noun, _ = _noun_phrase(rng, number, PEOPLE if kind == "o" else PEOPLE + THINGS)
        verb = rng.choice(VERBS)
        if kind == "p":
            words += [rng.choice(PLACES), *noun]
        elif kind == "r":
            words += ["that", past_of(verb), *noun]
        elif kind == "a":
            words += ["that", present_of(verb, last), *noun]
        else:
            words += ["that", *noun, rng.choice((past_of(verb), present_of(verb, number)))]
        attractors += number != plural
        last = nearest = number
    if rng.random() < 0.3:
        words.append(rng.choice(ADVERBS))
    return Sentence(tuple(words), plural, subject, attractors, nearest, template)


def plural_of(noun: str) -> str:
    """Return a noun's plural."""
    if noun in SAME:
        return noun
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def past_of(verb: str) -> str:
    """Return a verb's past tense, which has no number."""
    return PAST.get(verb, verb + ("d" if verb.endswith("e") else "ed"))


def present_of(verb: str, plural: bool) -> str:
    """Return a verb's present tense, which agrees with its subject."""
    return verb if plural else verb + ("es" if verb.endswith("ch") else "s")


def _noun_phrase(
    rng: random.Random, plural: bool, nouns: Sequence[str] = tuple(PEOPLE + THINGS)
) -> tuple[list[str], int]:
    """Return an article, perhaps an adjective, and a noun; and the position of the noun."""
    same = rng.random() < 0.04
    noun = rng.choice(SAME if same else nouns)
    # A noun with one form for both numbers needs an article that shows the number.
    article = rng.choice(ARTICLES[plural][8:] if same else ARTICLES[plural])
    adjective = [rng.choice(ADJECTIVES)] if rng.random() < 0.3 else []
    return [article, *adjective, plural_of(noun) if plural else noun], 1 + len(adjective)


def _opening(rng: random.Random) -> list[str]:
    """Return what precedes the subject: often nothing, or a phrase or clause."""
    draw, plural = rng.random(), rng.random() < 0.5
    noun, _ = _noun_phrase(rng, plural)
    if draw < 0.15:
        return [rng.choice(PLACES[2:]), *noun, ","]
    if draw < 0.25:
        return [*noun, rng.choice(SAID + SAYS[plural]), "that"]
    if draw < 0.35:
        verb = past_of(rng.choice(VERBS))
        return ["when", *noun, verb, *_noun_phrase(rng, rng.random() < 0.5)[0], ","]
    return []
