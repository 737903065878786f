"""The references page names every work that a chapter's *Read on* or the code names."""

import re
from pathlib import Path

import pytest

from course_lib import nets

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = {path.stem[2:4]: path for path in sorted(ROOT.glob("solutions/ch*/ch*.py"))}
CODE = sorted((ROOT / "course_lib").rglob("*.py"))
LINK = re.compile(r"(?:arXiv:|arxiv\.org/abs/|doi\.org/|doi:)([\w./-]+\w)")
TITLE = re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")
LECTURES = ("CS231n", "6.S191", "fast.ai")  # a chapter need not put these in italics


def prose(path: Path) -> str:
    """A source's text with its markdown cells on one line each paragraph."""
    return re.sub(r"\s+", " ", re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.M))


def plain(title: str) -> str:
    """A title as both sides write it: small letters, 16x16, one space, no quotation marks."""
    return re.sub(r"\s+", " ", title).replace("×", "x").casefold().strip(" .,:")


def read_on(path: Path) -> list[str]:
    """The entries of a chapter's *Read on*, each on one line."""
    text = path.read_text(encoding="utf-8")
    (part,) = re.findall(
        r"^# (?:### Read on|\*\*Read on\*\*)\n(.*?)(?=\n# ##|\n# %%|\n\n)", text, re.M | re.S
    )
    entries = re.sub(r"\n#(?!\n|$| - )\s*", " ", part)
    return re.findall(r"^# - (.+)$", entries, re.M)


PAGE = prose(ROOT / "solutions/references/references.py")
ENTRIES = [entry.split(" #")[0] for entry in re.split(r" - (?=\w)", PAGE)[1:]]
LINKS = set(LINK.findall(PAGE))


def on_the_page(title: str) -> list[str]:
    """The entries of the page one of whose titles begins as `title` does."""
    return [
        entry
        for entry in ENTRIES
        if any(plain(found).startswith(plain(title)) for found in TITLE.findall(entry))
    ]


def chapters_of(entry: str) -> set[str]:
    """The chapters after an entry's arrow."""
    arrow = re.search(r"→ ((?:\d\d(?:, )?)+)", entry)
    return set(re.findall(r"\d\d", arrow[1])) if arrow else set()


def test_there_is_something_to_compare() -> None:
    assert set(CHAPTERS) >= {f"{number:02d}" for number in range(1, 9)}
    assert len(ENTRIES) > 70
    assert all(TITLE.search(entry) for entry in ENTRIES)
    assert len(LINKS) > 60


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_a_chapter_names_is_on_the_page_with_its_number(chapter: str) -> None:
    entries = read_on(CHAPTERS[chapter])
    assert len(entries) >= 5
    for entry in entries:
        titles = TITLE.findall(entry)
        lectures = [name for name in LECTURES if name in entry]
        assert titles or lectures, f"no title in italics: {entry}"
        assert set(LINK.findall(entry)) <= LINKS, entry
        for title in titles:
            found = on_the_page(title)
            assert any(chapter in chapters_of(work) for work in found), f"{chapter}: {title}"
        for name in lectures:
            found = [work for work in ENTRIES if name in work]
            assert any(chapter in chapters_of(work) for work in found), f"{chapter}: {name}"


def test_a_chapter_after_an_arrow_names_the_work() -> None:
    for entry in ENTRIES:
        author = entry.split(",")[0].split(" and ")[0]
        title = plain(TITLE.findall(entry)[0])
        short = re.search(r"\* \(([\w-]+)\)", entry)
        names = {author, title, title.split(":")[0]} | ({short[1]} if short else set())
        for chapter in chapters_of(entry):
            text = prose(CHAPTERS[chapter]).casefold()
            assert any(name.casefold() in text for name in names), f"{chapter}: {entry[:80]}"


def test_the_papers_of_the_networks_are_on_the_page() -> None:
    assert {LINK.findall(nets.info(name).paper)[0] for name in nets.list()} <= LINKS


def test_the_sources_that_the_code_names_are_on_the_page() -> None:
    named = 0
    for path in CODE:
        text = path.read_text(encoding="utf-8")
        assert set(LINK.findall(text)) <= LINKS, path
        for source in re.findall(r"Sources?(?: of [\w ]+)?: (.*?)(?=\n\n|\"\"\")", text, re.S):
            for title in re.findall(r"\"([^\"]+)\"|\*([^*]+)\*", source):
                assert on_the_page("".join(title)), f"{path}: {title}"
                named += 1
    assert named > 20
