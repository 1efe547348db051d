"""The packages that are shipped for later use come from this site's own files."""

from __future__ import annotations

import pytest

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser


def test_numpy_and_micropip_load_from_local_files(laboratory: Laboratory) -> None:
    versions = laboratory.run(
        """
        import pyodide_js

        async def main():
            await pyodide_js.loadPackage(["numpy", "micropip"])
            import micropip
            import numpy
            fetched = [entry.name for entry in js.performance.getEntriesByType("resource")]
            wheels = [name.split("/")[-1] for name in fetched if ".whl" in name]
            return {
                "numpy": numpy.__version__,
                "sum": int(numpy.arange(5).sum()),
                "micropip": micropip.__version__,
                "elsewhere": [name for name in fetched if not name.startswith(js.location.origin)],
                "wheels": [name.split("-")[0] for name in wheels],
            }
        """
    )
    assert versions["numpy"] == "2.4.3"
    assert versions["sum"] == 10
    assert versions["elsewhere"] == []
    assert {"numpy", "micropip"} <= set(versions["wheels"])
