"""Where programs of the test cluster are kept: by what they are built from, each set for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import binaries

SOURCES = Path(binaries.__file__).with_name("go")


@pytest.mark.parametrize(
    ("programs", "module"),
    [
        ("kubernetes", "k8s.io/kubernetes"),
        ("kwok", "sigs.k8s.io/kwok"),
        ("cloudnative-pg", "github.com/cloudnative-pg/cloudnative-pg"),
    ],
)
def test_the_version_that_names_a_set_is_the_one_it_is_built_from(programs: str, module: str, tmp_path: Path) -> None:
    version = binaries.SETS[programs].folder(tmp_path).name.rpartition("-")[0]
    required = [line.split()[:2] for line in (SOURCES / programs / "go.mod").read_text().splitlines() if line.startswith("\t")]
    assert [module, version] in required


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    folder = binaries.SETS["kwok"].folder(tmp_path)
    folder.mkdir(parents=True)
    assert binaries.kwok(tmp_path) == folder / "kwok"
    assert not binaries.built(tmp_path), "Kubernetes is another set"


def test_each_set_has_its_own_sources() -> None:
    packages = [name for programs in binaries.SETS.values() for name in programs.packages]
    assert sorted(packages) == sorted(each.name for each in SOURCES.iterdir())
