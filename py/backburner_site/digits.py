"""Makes the shipped digits from UCI's table: one file of pixels, and one that explains it.

1,797 images of 8 by 8, each value 0 to 16: how many pixels of a block of 4 by 4 were on in the
32 by 32 original. The table has 64 values and the label in each row.
"""

import gzip
import hashlib
import json
from pathlib import Path

from backburner.core.data_sources import DigitsData
from backburner_site.errors import BuildFailed

SIDE = 8
COUNT = 1797
MAXIMUM = 16
SOURCE = (
    "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository (1998), doi:10.24432/C50P49, licence CC BY 4.0; the test set, as carried by "
    "scikit-learn. Unchanged values, stored as bytes."
)


def write_digits(table: Path, folder: Path) -> None:
    """Writes digits.bin and digits.json into `folder`. Raises BuildFailed."""
    pixels, labels = read_table(gzip.decompress(table.read_bytes()).decode("ascii"))
    if len(labels) != COUNT:
        raise BuildFailed(
            f"The digits table has {len(labels)} rows instead of {COUNT}: it is not the table "
            "that site/parts.toml should name."
        )
    counts = tuple(labels.count(digit) for digit in range(10))
    if counts != DigitsData.counts:
        raise BuildFailed(
            f"The digits table has {counts} pictures of the digits 0 to 9, but recipes are checked "
            f"against {DigitsData.counts}: it is not the table that site/parts.toml should name, "
            "or DigitsData.counts in py/backburner/core/data_sources.py is wrong."
        )
    description = {
        "source": SOURCE,
        "shape": [SIDE, SIDE, 1],
        "maximum": MAXIMUM,
        "classes": [str(digit) for digit in range(10)],
        "labels": labels,
        "count": len(labels),
        "sha256": hashlib.sha256(pixels).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digits.bin").write_bytes(pixels)
    (folder / "digits.json").write_text(json.dumps(description, separators=(",", ":")))


def read_table(text: str) -> tuple[bytes, list[int]]:
    """The pixels, row by row and image by image, and the labels. Raises BuildFailed."""
    pixels, labels = bytearray(), []
    for number, row in enumerate(text.splitlines(), start=1):
        values = [int(float(value)) for value in row.split(",")]
        *image, label = values
        if len(image) != SIDE * SIDE or max(image) > MAXIMUM or not 0 <= label <= 9:
            raise BuildFailed(
                f"Row {number} of the digits table is not 64 values from 0 to {MAXIMUM} and a "
                "label: it is not the table that site/parts.toml should name."
            )
        pixels.extend(image)
        labels.append(label)
    return bytes(pixels), labels
