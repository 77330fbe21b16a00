# Development without a ROS 2 installation: everything is installed into .venv, including ROS 2 as wheels.
# A robot needs none of this: colcon build works there as for any other package.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# make test checks style, builds and fetches the browser at the same time.
MAKEFLAGS += --jobs=3

PYTHON ?= python3
VIDEO ?=
BOX ?=
FAST ?=

VENV := $(CURDIR)/.venv
ENV_READY := $(VENV)/.ready
# The ROS wheels restart Python once and leave this variable behind. The Python of another environment
# that inherits it would not find the ROS libraries.
WITH_VENV := unset _ROS_WHEELS_BOOTSTRAP_COMPLETE; export VIRTUAL_ENV="$(VENV)" PATH="$(VENV)/bin:$$PATH"
WITH_ROS := $(WITH_VENV) AMENT_PREFIX_PATH="$(VENV)" CMAKE_PREFIX_PATH="$(VENV)"
# colcon's setup script reads variables that may be unset.
WITH_BUILD := $(WITH_ROS); set +u; source install/setup.bash; set -u

# Tests run in parallel, most of each file in one process. ROS tests that measure times follow: those that wait
# more than they work in pairs, the others one by one.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal
FASTER = $(if $(FAST),not slow and )
CORE_TESTS = OMP_NUM_THREADS=1 python -m pytest test/core $(PARALLEL) $(if $(FAST),-m "not slow")
ROS_TESTS = python -m pytest test/ros $(PARALLEL) -m "$(FASTER)not paired and not alone"
PAIRED_ROS_TESTS = python -m pytest test/ros --numprocesses 2 --dist worksteal -m "$(FASTER)paired"
SINGLE_ROS_TESTS = python -m pytest test/ros -m "$(FASTER)alone"

.PHONY: help env build browser test lint docs demo clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

env: $(ENV_READY) ## install everything for development into .venv (Python 3.10 to 3.12)

$(ENV_READY): pyproject.toml constraints-dev.txt cmake/ros_wheels.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 12) else "make env: Python 3.10 to 3.12 is needed, $(PYTHON) is " + sys.version.split()[0] + ". Use make env PYTHON=python3.11")'
	@echo "making .venv: some minutes, about 6 GB"
	@$(PYTHON) -m venv "$(VENV)" || { echo "make env: no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv python3-dev" >&2; exit 1; }
	@$(WITH_VENV); python -m pip install --quiet --no-compile --disable-pip-version-check \
	  --constraint constraints-dev.txt --requirement cmake/ros_wheels.txt --editable '.[train,eval,openvino,vot,bag,web,dev]'; \
	  python -m pip install --quiet --disable-pip-version-check --no-deps vot-toolkit==0.7.4
	@touch $@

# Without MAKEFLAGS colcon would start no compiler while the machine is busy.
build: $(ENV_READY) ## build the colcon workspace: build/, install/
	@mkdir -p log; echo "building the workspace (log/build.log)"
	@$(WITH_ROS); MAKEFLAGS=-j$$(nproc) colcon --log-base log build --symlink-install --base-paths . \
	  --cmake-args -G Ninja -DCMAKE_PROJECT_INCLUDE="$(CURDIR)/cmake/ros_wheels.cmake" -DBUILD_TESTING=OFF \
	  > log/build.log 2>&1 || { tail -n 40 log/build.log; exit 1; }

lint: $(ENV_READY) ## check style and types
	@$(WITH_VENV); ruff check .; ruff format --check .; mypy

browser: $(ENV_READY) ## install a headless Chromium into .venv for the tests of the web page (280 to 540 MB, Debian)
	@[[ -e "$(VENV)/browser/.ready" ]] || test/ros/fetch_browser.sh "$(VENV)/browser"

test: lint build browser ## check style and types, run all tests; FAST=1 leaves the slow ones out
	@$(WITH_BUILD); $(CORE_TESTS); $(ROS_TESTS); $(PAIRED_ROS_TESTS); $(SINGLE_ROS_TESTS)

docs: $(ENV_READY) ## write the reference of the library from its docstrings: build/reference/index.html
	@$(WITH_VENV); python -m sphinx -q -W docs/reference build/reference

demo: build ## track in a video over ROS topics; your own video: make demo VIDEO=file BOX=x,y,w,h
	@$(WITH_BUILD); python -m siammaskpp_ros.demo.run $(if $(VIDEO),--video "$(VIDEO)") $(if $(BOX),--box "$(BOX)") --output demo_output

clean: ## remove builds and outputs, keep .venv
	@rm -rf build install log demo_output
