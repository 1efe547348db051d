"""`bench`: how long a training step takes here, beside others that train the same (docs/BENCH.md).

`workloads` is what is trained, `contest` who takes turns and what came of it, `pages` and `native`
the contestants, `boot` the start-up, `report` the words and the JSON, `command` joins them.
"""
