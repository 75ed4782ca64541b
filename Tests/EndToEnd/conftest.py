"""Fixtures: an engine for all tests, and makers of engines and gateways that end with the test that asked for them."""

import contextlib

import pytest

from gateway import Engine, Gateway, RawUpstream


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    program = Engine(tmp_path_factory.mktemp("engine"))
    yield program
    program.stop()


@pytest.fixture(scope="module")
def start_for_module(tmp_path_factory):
    """Starts a gateway that all tests of a module share."""
    with contextlib.ExitStack() as running:

        def start(configuration, **more):
            program = Gateway(tmp_path_factory.mktemp("gateway"), configuration, **more)
            running.callback(program.stop)
            return program

        yield start


@pytest.fixture
def start(tmp_path):
    """Starts a gateway of the test's own."""
    with contextlib.ExitStack() as running:

        def start(configuration, **more):
            program = Gateway(tmp_path, configuration, **more)
            running.callback(program.stop)
            return program

        yield start


@pytest.fixture
def start_engine(tmp_path):
    """Starts an engine of the test's own."""
    with contextlib.ExitStack() as running:

        def start(*arguments, name="engine"):
            program = Engine(tmp_path, *arguments, name=name)
            running.callback(program.stop)
            return program

        yield start


@pytest.fixture
def upstream():
    """Makes an upstream that sends exactly the bytes a test wants."""
    with contextlib.ExitStack() as running:

        def make(*pieces):
            raw = RawUpstream(*pieces)
            running.callback(raw.close)
            return raw

        yield make
