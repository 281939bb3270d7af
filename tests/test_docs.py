"""Every public function says what it takes, returns and raises, in types and in numpydoc."""

import ast
import re

import pytest

from tests.paths import ROOT

MODULES = sorted((ROOT / "hiphoplib").rglob("*.py"))


def public(tree):
    """Functions and methods without an underscore; commands of the program show their help."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            decorators = {ast.unparse(each) for each in node.decorator_list}
            if not any(re.search(r"property|\.command\(|\.group\(", each) for each in decorators):
                yield node


def own(node, kind):
    """Nodes of a kind in a function's body, those of functions inside it left out."""
    waiting = list(node.body)
    while waiting:
        each = waiting.pop()
        if isinstance(each, kind):
            yield each
        if not isinstance(each, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            waiting += ast.iter_child_nodes(each)


def missing(node):
    """What a function's documentation or types lack, list of str."""
    arguments = [
        each
        for each in [
            *node.args.posonlyargs,
            *node.args.args,
            *node.args.kwonlyargs,
            node.args.vararg,
            node.args.kwarg,
        ]
        if each and each.arg not in ("self", "cls")
    ]
    sections = re.split(r"\n(\w+)\n-{4,}\n", ast.get_docstring(node) or "")
    sections = dict(zip(sections[1::2], sections[2::2]))
    described = re.findall(r"^(\S.*?)(?: :|$)", sections.get("Parameters", ""), re.M)
    described = {name.strip(" *") for line in described for name in line.split(",")}
    wanted = {
        "Parameters": not {each.arg for each in arguments} <= described,
        "Returns": arguments and any(each.value for each in own(node, ast.Return)),
        "Yields": any(True for _ in own(node, (ast.Yield, ast.YieldFrom))),
        "Raises": any(each.exc for each in own(node, ast.Raise)),
    }
    named = [each for each in arguments if each not in (node.args.vararg, node.args.kwarg)]
    return (
        [
            name
            for name, needed in wanted.items()
            if needed and (name == "Parameters" or name not in sections)
        ]
        + [f"type of {each.arg}" for each in named if not each.annotation]
        + (["return type"] if node.returns is None else [])
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_are_documented(path):
    lacking = {
        node.name: missing(node) for node in public(ast.parse(path.read_text())) if missing(node)
    }
    assert lacking == {}


def test_what_lacks_is_seen():
    source = '''def f(a, *, b: int = 1):
    """Return.

    Parameters
    ----------
    a : int
    """
    if a:
        raise ValueError("a")
    return a
'''
    assert missing(ast.parse(source).body[0]) == [
        "Parameters",
        "Returns",
        "Raises",
        "type of a",
        "return type",
    ]


def test_no_file_is_long_and_there_are_few():
    lines = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert max(lines.values()) <= 400
    assert len(MODULES) <= 84


def test_what_is_promised_is_tested_by_what_stands_there():
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    commands = re.findall(r"\| `([^`]*)` \|$", page, re.MULTILINE)
    assert len(commands) == page.count("\n| ") - 2 * page.count("| promise |")
    for command in commands:
        *files, words = re.fullmatch(
            r"(?:\w+=\d+ )?pytest(?: -m slow)?((?: tests[\w/.]*)+)(?: -k \"?([^\"]*)\"?)?", command
        ).groups()
        paths = [ROOT / path for path in files[0].split()]
        names = [
            node.name
            for path in paths
            for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef)
        ]
        for word in (words or "test_").split(" or "):
            assert any(word in name for name in names), (command, word)
