"""Fixtures for every test: repositories, golden files, and the two profiles of hypothesis."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import documented_errors
import pytest
from hypothesis import HealthCheck, settings
from situations import Work
from tiers import LONG

# Programs that scripts start behind `&` ignore Ctrl-C, and so does what they start: tests that send
# it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

documented_errors.watch()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process that is done takes over tests of another, so that none waits for the last ones."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "steady",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "deep", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=_QUIET
)
settings.load_profile("deep" if LONG else "steady")


@pytest.fixture(scope="session", autouse=True)
def settings_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test sets for a user is not set for who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture
def make_work(tmp_path: Path) -> Iterator[Callable[..., Work]]:
    """Makes repositories below the test's folder."""
    made: list[Work] = []

    def make(name: str = "work", **options: Any) -> Work:
        made.append(Work(tmp_path / name, **options))
        return made[-1]

    yield make
    for work in made:
        work.repo.close()


@pytest.fixture
def work(make_work: Callable[..., Work]) -> Work:
    """An empty repository with one dataset."""
    return make_work()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares text with a golden file; `--update-golden` writes it, to be reviewed in the diff."""
    folder = Path(__file__).parent / "golden"

    def check(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.read_text() == text

    return check


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing"
    )
