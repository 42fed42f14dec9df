"""The report a radiologist would write about a study."""

from collections.abc import Mapping
from dataclasses import dataclass

from closegap.phantom.catalogue import DEVICE_SIDES, KINDS
from closegap.phantom.draw import Draw
from closegap.phantom.phrase import filled, listed, sentence, slots
from closegap.phantom.statements import Facts, draw_statements
from closegap.phantom.study import Study
from closegap.phantom.wording import (
    ABSENT,
    ADVICE,
    HEALTHY,
    NORMAL,
    PRESENT,
    QUESTIONS,
    QUOTES,
    SIZES,
    VIEWS_NAMED,
    ZONES,
)


@dataclass(frozen=True)
class WrittenReport:
    """A report and the facts that it states; the text depends on nothing else of the study.

    Args:
        text: as written.
        facts: what it states.
    """

    text: str
    facts: Facts


@dataclass(frozen=True)
class Noun:
    """A noun phrase and its number."""

    text: str
    plural: bool


def write_report(study: Study, reader: int = 0) -> WrittenReport:
    """The report of one reader: another reader states other facts, in other words."""
    draw = Draw(study.seed, study.index, f"report {reader}")
    facts = draw_statements(study, draw)
    return WrittenReport(_text(facts, draw), facts)


def _text(facts: Facts, draw: Draw) -> str:
    headed = draw.chance(0.5)
    history, technique = _history(facts, draw), _technique(facts, draw)
    present = [name for name in (*KINDS, *DEVICE_SIDES) if facts.get(name) == "present"]
    nouns = {name: _noun(name, facts, draw) for name in present}
    found = draw.shuffled([_observation(nouns[name], name, draw) for name in present])
    healthy = _negations(facts, draw)
    body = [*found, *healthy] if draw.chance(0.75) else draw.shuffled([*found, *healthy])
    conclusion = _conclusion(facts, present, draw)
    if not headed:
        opening = [draw.pick(("Impression:", "Conclusion:", "In summary:"))] if conclusion and draw.chance(0.6) else []
        return " ".join([*history, *technique, *body, *opening, *conclusion])
    parts = []
    for title, sentences in (("Indication", history), ("Technique", technique), ("Findings", body)):
        if sentences:
            parts.append(f"{title}: {' '.join(sentences)}")
    if conclusion:
        parts.append(f"Impression: {' '.join(conclusion)}")
    return "\n".join(parts)


def _history(facts: Facts, draw: Draw) -> list[str]:
    """Who was examined and why, from what is stated of it; the question itself is drawn blindly."""
    noun = {"female": "woman", "male": "man"}.get(facts.get("sex", ""), "patient")
    age = facts.get("age")
    who = ""
    if age is not None:
        who = draw.pick(("{a} {age}-year-old {noun}", "{noun} aged {age}"))
    elif "sex" in facts:
        who = draw.pick(("{a} {noun}", "{sex} patient"))
    words = {"age": str(age), "noun": noun, "sex": facts.get("sex", "")}
    quotes = [filled(draw.pick(phrases), {"value": facts[slot]}) for slot, phrases in QUOTES.items() if slot in facts]
    question = draw.pick(QUESTIONS)
    reasons = [*([question] if question else []), *quotes]
    if who and reasons:
        return [sentence(f"{filled(who, words)}, {listed(reasons, 'and')}")]
    if who or reasons:
        return [sentence(filled(who, words) if who else listed(reasons, "and"))]
    return []


def _technique(facts: Facts, draw: Draw) -> list[str]:
    return [sentence(draw.pick(VIEWS_NAMED[facts["view"]]))] if "view" in facts else []


def _words(name: str, facts: Facts, draw: Draw) -> Mapping[str, str]:
    """What is stated of a finding, in words."""
    words: dict[str, str] = {}
    side, zone, size = (facts.get(f"{name}.{attribute}") for attribute in ("side", "zone", "size"))
    if side not in (None, "bilateral"):  # phrases for both sides say so themselves
        words["side"] = side
    if zone is not None:
        words["zone"] = draw.pick(ZONES[zone])
    if size is not None:
        words["size"] = draw.pick(SIZES[size]) if size in SIZES else _measured(size, draw)
    place = " ".join(words[part] for part in ("side", "zone") if part in words)
    if place:
        words["place"] = place if "zone" in words else f"{place} {'chest wall' if name == 'rib_fracture' else 'lung'}"
    return words


def _measured(size: str, draw: Draw) -> str:
    millimetres = int(size.removesuffix(" mm"))
    return f"{millimetres // 10} cm" if millimetres % 10 == 0 and draw.chance(0.5) else size


def _noun(name: str, facts: Facts, draw: Draw) -> Noun:
    """A noun phrase that tells everything stated of a finding."""
    words = _words(name, facts, draw)
    both = facts.get(f"{name}.side") == "bilateral"
    phrase = draw.pick([phrase for phrase in PRESENT[f"{name} bilateral" if both else name] if _tells(phrase, words)])
    return Noun(filled(phrase.removeprefix("+"), words), phrase.startswith("+"))


def _tells(phrase: str, words: Mapping[str, str]) -> bool:
    """Whether a phrase leaves out nothing that is stated."""
    told = slots(phrase)
    return set(words) - {"place"} <= (told | {"side", "zone"} if "place" in told else told)


def _observation(noun: Noun, name: str, draw: Draw) -> str:
    verb = "are" if noun.plural else "is"
    if name in DEVICE_SIDES:
        return sentence(draw.pick((noun.text, f"{noun.text} {verb} noted", f"there {verb} {noun.text}")))
    return sentence(
        draw.pick((noun.text, f"there {verb} {noun.text}", f"{noun.text} {verb} seen", f"the film shows {noun.text}"))
    )


def _negations(facts: Facts, draw: Draw) -> list[str]:
    """Sentences on what is stated to be absent: some of their own, the rest in lists of up to three."""
    sentences, nouns = [], []
    for name in draw.shuffled([name for name in ABSENT if facts.get(name) == "absent"]):
        if name in HEALTHY and draw.chance(0.5):
            sentences.append(sentence(draw.pick(HEALTHY[name])))
        else:
            nouns.append(draw.pick(ABSENT[name]))
    opening = draw.pick(("no", "no evidence of", "there is no"))
    while nouns:
        group, nouns = nouns[:3], nouns[3:]
        sentences.append(sentence(f"{opening} {listed(group, 'or')}"))
    return draw.shuffled(sentences)


def _conclusion(facts: Facts, present: list[str], draw: Draw) -> list[str]:
    """The main points again, and what to do about them."""
    if "normal" in facts:
        return [sentence(draw.pick(NORMAL))]
    main = [name for name in present if name in KINDS]
    if not main or draw.chance(0.3):
        return []
    points = [_noun(name, facts, draw).text for name in main[: draw.pick((1, 2))]]
    told = [sentence(listed(points, "and"))]
    if main[0] in ADVICE and draw.chance(0.5):
        told.append(sentence(draw.pick(ADVICE[main[0]])))
    return told
