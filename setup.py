"""The build in a temporary folder; metadata of pyproject.toml also for tools that know only this file.

From version 61 on, setuptools reads the table [project] itself. Ubuntu 22.04 ships 59.6.0, which ignores it,
and its pip 22.0.2 uses that version even in an isolated build (https://github.com/pypa/pip/issues/6264).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import setuptools


def project_arguments() -> dict[str, Any]:
    """Return the metadata in pyproject.toml as the arguments of :func:`setuptools.setup`."""
    from pip._vendor import tomli  # Python 3.10 has no tomllib

    content = tomli.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project, packaging = content["project"], content["tool"]["setuptools"]
    commands = [f"{name} = {function}" for name, function in project["scripts"].items()]
    return {
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "long_description": Path(project["readme"]).read_text(encoding="utf-8"),
        "long_description_content_type": "text/markdown",
        "license": project["license"],
        "classifiers": project["classifiers"],
        "python_requires": project["requires-python"],
        "install_requires": project["dependencies"],
        "extras_require": project["optional-dependencies"],
        "entry_points": {"console_scripts": commands},
        "packages": setuptools.find_packages(include=packaging["packages"]["find"]["include"]),
        "package_data": packaging["package-data"],
        "data_files": [
            (folder, sorted(str(path) for pattern in patterns for path in Path().glob(pattern)))
            for folder, patterns in packaging["data-files"].items()
        ],
    }


reads_pyproject = int(setuptools.__version__.split(".")[0]) >= 61
# The default folder is build/, where colcon builds; files of an older build would get into the package.
with tempfile.TemporaryDirectory() as build:
    options = {"build": {"build_base": build}, "egg_info": {"egg_base": build}}
    setuptools.setup(options=options, **({} if reads_pyproject else project_arguments()))
