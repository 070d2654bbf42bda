#!/usr/bin/env python3
"""Checks the links of the texts: every relative link of every .md file leads to a file that is there, every #anchor to a
heading of it, and every path such as docs/guide/motion.md that any file of the repository mentions exists.

usage: check_links.py

Prints FILE:LINE and what is wrong, and exits with 1 where something is. Addresses of other hosts are not visited.
"""

import pathlib
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
# [text](target), ![text](target), [text](target "title"); [name]: target; src="target" and href="target" of HTML.
INLINE = re.compile(r"\]\(\s*<?([^()\s<>]+(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?")
ATTRIBUTE = re.compile(r"\b(?:src|href)=\"([^\"]+)\"")
# A path of a text from the root of the repository, wherever it is mentioned.
MENTION = re.compile(r"(?<![\w./-])(?:docs|examples|benches|models|core|bindings-\w+)/[\w./-]*\w\.md\b")


def lines_outside_code(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text, numbered from 1, without fenced blocks."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            yield number, line


def anchors(text: str) -> set[str]:
    """The anchors of a text's headings, as GitHub makes them."""
    found: set[str] = set()
    for _, line in lines_outside_code(text):
        heading = HEADING.match(line)
        found.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
        if heading:
            words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[2])
            slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
            number = 0
            while (slug if number == 0 else f"{slug}-{number}") in found:
                number += 1
            found.add(slug if number == 0 else f"{slug}-{number}")
    return found


def files() -> list[pathlib.Path]:
    """What is in the repository, or would be by `git add`; nothing that is ignored."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [path for path in sorted({REPOSITORY / name for name in names if name}) if path.is_file()]


def read(path: pathlib.Path) -> str | None:
    """A file's text; none for what is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def links(text: str) -> Iterator[tuple[int, str]]:
    for number, line in lines_outside_code(text):
        bare = CODE.sub("", line)
        for pattern in (INLINE, REFERENCE, ATTRIBUTE):
            for target in pattern.findall(bare):
                yield number, target


def wrong_link(path: pathlib.Path, target: str, known: dict[pathlib.Path, set[str]]) -> str | None:
    """What is wrong with a link of `path`; none where nothing is."""
    parts = urllib.parse.urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    if parts.path.startswith("/"):
        return f"{target}: an absolute path"
    at = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
    if not at.is_relative_to(REPOSITORY):
        return f"{target}: outside of the repository"
    if not at.exists():
        return f"{target}: no such file"
    if not parts.fragment or at.suffix != ".md":
        return None
    if at not in known:
        known[at] = anchors(at.read_text(encoding="utf-8"))
    if urllib.parse.unquote(parts.fragment) not in known[at]:
        return f"{target}: {at.relative_to(REPOSITORY)} has no heading #{parts.fragment}"
    return None


def main() -> int:
    if len(sys.argv) > 1:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    known: dict[pathlib.Path, set[str]] = {}
    wrong: set[tuple[str, int, str]] = set()
    checked = 0
    for path in files():
        text = read(path)
        if text is None:
            continue
        name = str(path.relative_to(REPOSITORY))
        if path.suffix == ".md":
            for number, target in links(text):
                checked += 1
                problem = wrong_link(path, target, known)
                if problem:
                    wrong.add((name, number, problem))
        for number, line in enumerate(text.splitlines(), 1):
            for mention in MENTION.findall(line):
                if not (REPOSITORY / mention).exists() and not (path.parent / mention).exists():
                    wrong.add((name, number, f"{mention}: no such file"))
    for name, number, problem in sorted(wrong):
        print(f"{name}:{number}: {problem}", file=sys.stderr)
    if not checked:
        print("no link was found: is this the repository?", file=sys.stderr)
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
