"""Errors that the user can mend have one base class."""

import ast
import builtins
import sys
from pathlib import Path

import pytest

from siammaskpp_core.errors import MissingPackageError, UserError, extra

ROOT = Path(__file__).parents[2]


def test_every_error_class_derives_from_the_base_class():
    found = []
    for path in [*ROOT.glob("siammaskpp_core/**/*.py"), *ROOT.glob("siammaskpp_ros/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [
                    getattr(builtins, base.id, None) for base in node.bases if isinstance(base, ast.Name)
                ]
                if any(isinstance(base, type) and issubclass(base, BaseException) for base in bases):
                    found.append(node.name)
    assert found == [UserError.__name__]


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with (
        pytest.raises(
            MissingPackageError,
            match=r"tensorboard is needed for training and not installed: pip install 'siammaskpp\[train\]'",
        ),
        extra("train", "for training"),
    ):
        import tensorboard  # noqa: F401


def test_other_failures_of_an_import_are_not_hidden():
    with pytest.raises(ZeroDivisionError), extra("train", "for training"):
        _ = 1 / 0
