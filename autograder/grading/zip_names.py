"""Whose notebook is it? The names that Canvas and Moodle give to what they let one download.

For `nbgrader zip_collect`: put the archive that the site made in
``downloaded/CHAPTER/archive/`` and run it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from nbgrader.plugins import FileNameCollectorPlugin

# NAME_LATE_USER_UPLOAD_FILE: the name in small letters without spaces, LATE where it was. An
# assignment that is graded anonymously has no NAME.
CANVAS = re.compile(
    r"(?:(?P<name>(?!LATE_)\w+?)_)?(?P<late>LATE_)?(?P<user>\d+|anon_[A-Za-z0-9]+)_(?P<upload>\d+)_(?P<file>.+)"
)
# NAME_PARTICIPANT_assignsubmission_file_FILE, or a directory of that name without FILE.
MOODLE = re.compile(r"(?P<name>[^_]+)_(?P<user>\d+)_assignsubmission_file(?:_(?P<file>.*))?")
# What paths, patterns for paths and pages read as something else.
_UNFIT = re.compile(r'[<>"&\\/\[\]*?+]')
# What a browser or a site adds to a name that is taken: "-1", " (1)".
_COPY = re.compile(r"(?:-\d+|\s?\(\d+\))$")


@dataclass(frozen=True)
class Download:
    """What a name says: whose file it is, and in which place.

    `user` is the number by which the site knows the student, `upload` grows with each upload where
    the site counts them, `within` is the file's own name. `late` is what the site says of it.
    """

    site: str
    name: str
    user: str
    upload: int
    within: str
    late: bool = False


def read_name(path: PurePath) -> Download | None:
    """What the names of a file and of the directories above it say; None where they say nothing.

    The outermost counts: that is the site's, what lies within has been named by the student.

    >>> read_name(PurePath("onestudent_LATE_12345_678901_ch02-1.ipynb")).user
    '12345'
    >>> read_name(PurePath("Student One_12345_assignsubmission_file_/ch02.ipynb")).name
    'Student One'
    """
    for depth, part in enumerate(path.parts):
        found = _read_part(part, path.parts[depth + 1 :])
        if found is not None:
            return found
    return None


def _read_part(part: str, inner: tuple[str, ...]) -> Download | None:
    moodle = MOODLE.fullmatch(part)
    if moodle and (inner or moodle["file"]):
        within = inner[-1] if inner else moodle["file"]
        return Download("Moodle", moodle["name"].strip(), moodle["user"], 0, within)
    canvas = CANVAS.fullmatch(part)
    if canvas:
        within = inner[-1] if inner else canvas["file"]
        name, upload = canvas["name"] or "", int(canvas["upload"])
        return Download("Canvas", name, canvas["user"], upload, within, bool(canvas["late"]))
    return None


class DownloadedNames(FileNameCollectorPlugin):  # type: ignore[misc]
    """nbgrader's plugin that knows whose notebook a downloaded file is.

    On Canvas a student's id is the number that the site's exported gradebook has in its column ID.
    Moodle's number is another in each assignment, so there it is the name, and the number only
    tells people of one name apart. Of several uploads of one notebook the last counts.
    """

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """The student and the notebook that a file stands for; None for any other file."""
        path = Path(submitted_file)
        download = self._downloads.get(path)
        if download is None:
            if path.suffix.lower() == ".ipynb":
                self.log.warning(f"Neither Canvas nor Moodle gives such names: {path.name}")
            return None
        if path not in self._latest:
            self.log.warning(f"There is a later upload than {path.name}")
            return None
        return {"student_id": self._student(download), "file_id": self._file(download)}

    @cached_property
    def _root(self) -> Path:
        return Path(self.parent._format_collect_path(self.parent.extracted_directory))

    @cached_property
    def _downloads(self) -> dict[Path, Download]:
        """Every notebook in the download."""
        found = {}
        for path in sorted(self._root.rglob("*")):
            if path.suffix.lower() == ".ipynb" and path.is_file() and not path.is_symlink():
                names = _composed(path.relative_to(self._root))
                download = read_name(names)
                if download is not None:
                    found[path] = download
                    self._check_archive(names)
        return found

    def _check_archive(self, names: PurePath) -> None:
        """Refuse a class whose archive is called like a student's: all would be that student's."""
        outermost, *inner = names.parts
        if _read_part(outermost, tuple(inner)) and read_name(PurePath(*inner)):
            self.parent.fail(
                f"{outermost} is called like one student's work, and holds {inner[0]}, which is "
                "too: give the archive another name"
            )

    @cached_property
    def _latest(self) -> set[Path]:
        """Of each student's uploads of one notebook the last."""
        last: dict[tuple[str, str], Path] = {}
        for path, download in self._downloads.items():
            key = (self._student(download), self._file(download))
            if key not in last or self._rank(path) > self._rank(last[key]):
                last[key] = path
        self._warn_of_late([self._downloads[path] for path in last.values()])
        return set(last.values())

    def _warn_of_late(self, downloads: list[Download]) -> None:
        """Name those of whom the site says that they are late, and by how much it does not say."""
        who = {f"{self._student(one)} ({one.name or 'no name'})" for one in downloads if one.late}
        if who:
            self.log.warning(
                "Late, says Canvas without saying when; nothing is taken off until a timestamp.txt "
                f"beside the notebook holds the time: {', '.join(sorted(who))}"
            )

    def _rank(self, path: Path) -> tuple[int, bool, str]:
        download = self._downloads[path]
        # A notebook that has its right name goes before a copy with a number.
        return download.upload, not _COPY.search(Path(download.within).stem), str(path)

    @cached_property
    def _namesakes(self) -> set[str]:
        """The names that several people share."""
        users = defaultdict(set)
        for download in self._downloads.values():
            users[download.name].add(download.user)
        return {name for name, numbers in users.items() if len(numbers) > 1}

    def _student(self, download: Download) -> str:
        if download.site == "Canvas":
            return download.user
        name = _UNFIT.sub("", download.name).strip(" .")
        if download.name in self._namesakes or not name:
            return f"{name} {download.user}".strip()
        return name

    def _file(self, download: Download) -> str:
        """The notebook's name, as released where the site or a browser has only numbered it."""
        stem = Path(download.within).stem
        released = str(self.parent.coursedir.assignment_id)
        stem = released if _COPY.sub("", stem) == released else stem
        return f"{stem}.ipynb"


def _composed(path: PurePath) -> PurePath:
    """The path with each letter one character: some systems take é apart."""
    return PurePath(unicodedata.normalize("NFC", str(path)))
